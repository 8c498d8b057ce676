# SPDX-License-Identifier: Apache-2.0
"""A phantom volume through `BundlePredictor`, beside plain loops over its slices: one JSON line a way."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from latency import processor, status_mib, time_all
from torch import Tensor, nn

from lsms_monai.data import phantom
from lsms_monai.keys import ATTENTION_MASK, EXPRESSION, INPUT_IDS
from lsms_monai.networks import LSMS
from lsms_monai.predictor import BundlePredictor
from lsms_monai.transforms import TokenizeExpressiond

KINDS = ("the cyst", "the solid lesion", "the hyperdense lesion", "the calcified lesion", "all lesions")
EXPRESSIONS = [f"{kind} in the {side} lobe" for kind in KINDS for side in ("right", "left")]
SPACING_MM = (0.75, 0.75, 3.0)
WAYS = ("loop, slices as they are", "loop, slices as the bundle prepares them", "predict, 1", "predict, 10")


def volume(size: int, num_slices: int) -> tuple[np.ndarray, np.ndarray]:
    """A phantom (size, size, num_slices) in HU, and its affine."""
    made = phantom(5, shape=(size, size, num_slices), spacing=SPACING_MM, num_lesions=4)
    return made.image, made.affine


def prepare(predictor: BundlePredictor, image: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """For each way the call and its arguments, as `time_all` takes them."""
    said = TokenizeExpressiond()({EXPRESSION: EXPRESSIONS[0]})
    words = said[INPUT_IDS][None], said[ATTENTION_MASK][None]
    hu = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))
    native, prepared = hu.clamp(0, 200)[:, None] / 200, _prepared(predictor, image, affine)
    plain = LSMS("tiny").eval()  # that of the predictor may keep its weights in bfloat16
    calls = (
        (loop, (plain, native, words)),
        (loop, (plain, prepared, words)),
        (predictor.predict, (image, affine, EXPRESSIONS[:1])),
        (predictor.predict, (image, affine, EXPRESSIONS)),
    )
    return dict(zip(WAYS, calls, strict=True))


@torch.inference_mode()
def loop(network: nn.Module, slices: Tensor, words: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Each slice (C, H, W) by itself in float32, the words read for each: what a first script does."""
    return [network(one[None], *words).sigmoid() > 0.5 for one in slices]


def _prepared(predictor: BundlePredictor, image: np.ndarray, affine: np.ndarray) -> Tensor:
    """The slices (D, C, H, W) that reach the network."""
    seen: list[Tensor] = []
    handle = predictor.network.register_forward_pre_hook(lambda _network, given: seen.append(given[0].clone()))
    predictor.predict(image, affine, EXPRESSIONS[:1])
    handle.remove()
    return torch.cat(seen)[: image.shape[2]]  # those of the search, which comes first


def peak_memory_mib(size: int, num_slices: int, bundle_dir: Path) -> float:
    """What one answer adds to the resident memory of a process that holds the volume and the bundle."""
    image, affine = volume(size, num_slices)
    predictor = BundlePredictor(bundle_dir)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before = status_mib("VmRSS")
    predictor.predict(image, affine, EXPRESSIONS[:1])
    return round(status_mib("VmHWM") - before, 1)


def measure(size: int, num_slices: int, repeats: int, bundle_dir: Path) -> list[dict[str, Any]]:
    """One record a way; ratios are those of the medians, the second loop and one expression being 1."""
    image, affine = volume(size, num_slices)
    prepared = prepare(BundlePredictor(bundle_dir), image, affine)
    times = time_all(prepared, repeats, torch.device("cpu"))
    median_s = {way: statistics.median(times[way]) / 1e3 for way in WAYS}
    command = [sys.executable, __file__, "--peak", "--size", str(size), "--slices", str(num_slices)]
    command += ["--bundle", str(bundle_dir), "--threads", str(torch.get_num_threads())]
    peak = subprocess.run(command, capture_output=True, text=True, check=True)
    one = median_s["predict, 1"]
    return [
        {
            "way": way,
            "size": size,
            "slices": num_slices,
            "seconds": round(median_s[way], 2),
            "times_predict_1": round(median_s[way] / one, 2),
            **({"peak_memory_mib": float(peak.stdout)} if way == "predict, 1" else {}),
            "device": processor(),
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "torch": torch.__version__,
        }
        for way in WAYS
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="pixels of a side, each of 0.75 mm")
    parser.add_argument("--slices", type=int, default=100, help="slices, each of 3 mm")
    parser.add_argument("--repeats", type=int, default=3, help="timed rounds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("--bundle", type=Path, default=Path("bundle"), help="folder of the bundle")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if min(options.size, options.slices, options.repeats, options.threads) < 1:
        parser.error("--size, --slices, --repeats and --threads must be positive")
    torch.set_num_threads(options.threads)
    if options.peak:
        sys.stdout.write(f"{peak_memory_mib(options.size, options.slices, options.bundle)}\n")
        return
    for record in measure(options.size, options.slices, options.repeats, options.bundle):
        sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
