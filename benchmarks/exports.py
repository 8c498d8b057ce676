# SPDX-License-Identifier: Apache-2.0
"""The released network in PyTorch beside its exports, one slice and one expression at a time: one JSON line an engine.

OpenVINO takes part where it is installed, in float32 and in what it chooses by itself.
"""

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from latency import processor, time_all
from monai.utils.module import optional_import
from torch import Tensor, nn
from torch.nn import functional as F

from lsms_monai.cli.export import read_parts
from lsms_monai.exports import Sample, export_onnx, export_pt2
from lsms_monai.onnx_network import ENGINES

REPOSITORY = Path(__file__).resolve().parents[1]
OURS = {"ONNX Runtime": "onnx", "OpenVINO": "openvino"}  # as `BundlePredictor` opens them
Engine = Callable[..., Tensor]


def write_all(network: nn.Module, samples: Sequence[Sample], folder: Path) -> dict[str, Path]:
    """Write each export; name of the engine -> its file."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, samples[0], check_trace=False).save(folder / "model.ts")
    (onnx,) = export_onnx(network, samples, folder, {})
    (pt2,) = export_pt2(network, samples, folder, {})
    files = {"TorchScript": folder / "model.ts", "ONNX Runtime": onnx, "torch.export": pt2}
    if optional_import("openvino")[1]:
        files |= {"OpenVINO, float32": onnx, "OpenVINO": onnx}
    return files


def open_engine(name: str, path: Path) -> Engine:
    """Load a file into its engine, on the CPU with as many threads as PyTorch has."""
    if name == "TorchScript":
        return torch.jit.load(path)
    if name == "torch.export":
        return torch.export.load(path).module()
    if name in OURS:
        run, _ = ENGINES[OURS[name]](path)
        return lambda *inputs: torch.from_numpy(run(*_arrays(inputs)))
    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = optional_import("openvino")[0].compile_model(path, "CPU", options)
    return lambda *inputs: torch.from_numpy(compiled(_arrays(inputs))[0])


def measure(network: nn.Module, sample: Sample, files: dict[str, Path], repeats: int) -> list[dict[str, Any]]:
    """One record an engine; they take turns."""
    engines: dict[str, Engine] = {"PyTorch": network}
    engines |= {name: open_engine(name, path) for name, path in files.items()}
    expected = network(*sample)
    differences = {name: float((engine(*sample) - expected).abs().max()) for name, engine in engines.items()}
    prepared: dict[str, Any] = {name: (engine, sample) for name, engine in engines.items()}
    times = time_all(prepared, repeats, torch.device("cpu"))
    return [
        {
            "engine": name,
            "ms_median": round(statistics.median(times[name]), 1),
            "ms_fastest": round(min(times[name]), 1),
            "times_pytorch": round(statistics.median(times[name]) / statistics.median(times["PyTorch"]), 2),
            "max_difference": float(f"{differences[name]:.1e}"),
            "file_mib": round(files[name].stat().st_size / 1024**2, 1) if name in files else None,
            "size": sample[0].shape[-1],
            "word_pieces": sample[1].shape[1],
            "device": processor(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        for name in engines
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line an engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=REPOSITORY / "bundle", help="folder with configs/ and models/")
    parser.add_argument("--size", type=int, default=224, help="height and width of the slice, a multiple of 32")
    parser.add_argument("--repeats", type=int, default=15, help="timed forward passes of each engine")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of every engine")
    options = parser.parse_args(arguments)
    if not 64 <= options.size <= 1024 or options.size % 32 or options.repeats < 1:
        parser.error(
            f"--size must be a multiple of 32 from 64 to 1024 and --repeats positive, got {options.size}, "
            f"{options.repeats}"
        )
    torch.set_num_threads(options.threads)
    network, _, samples, _ = read_parts(options.bundle)
    image, ids, mask = samples[0]
    image = F.pad(image, (0, options.size - image.shape[3], 0, options.size - image.shape[2]))  # a negative one cuts
    with TemporaryDirectory() as folder, torch.no_grad():
        files = write_all(network, samples, Path(folder))
        for record in measure(network, (image[:1], ids[:1], mask[:1]), files, options.repeats):
            sys.stdout.write(json.dumps(record) + "\n")


def _arrays(inputs: tuple[Tensor, ...]) -> list[Any]:
    return [value.numpy() for value in inputs]


if __name__ == "__main__":
    main()
