# SPDX-License-Identifier: Apache-2.0
"""Parameters, GMAC, milliseconds per slice and peak memory of LSMS beside networks of MONAI: one JSON line a model."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from monai.networks.nets import BasicUNet, DynUNet, SwinUNETR
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lsms_monai.exports import export_split_onnx
from lsms_monai.inferers import ExpressionSliceInferer
from lsms_monai.keys import ATTENTION_MASK, EXPRESSION, INPUT_IDS
from lsms_monai.networks import LSMS
from lsms_monai.onnx_network import WEIGHTS_KEY, OnnxNetwork, weights_hash
from lsms_monai.transforms import TokenizeExpressiond

NUM_TOKENS = 16  # word pieces of a usual expression
EXPRESSION_16 = "the second largest solid hypodense lesion in the right lobe"  # as many
LEVELS = 6
Name = TypeVar("Name")


class EndToEnd(nn.Module):
    """LSMS as `BundlePredictor` asks it: tokenise, encode, segment, threshold.

    Args:
        variant: of LSMS.
        bfloat16: see ``ExpressionSliceInferer``.
    """

    def __init__(self, variant: str, *, bfloat16: bool) -> None:
        super().__init__()
        self.network: Any = LSMS(variant)
        nn.utils.convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.tokenize = TokenizeExpressiond()
        self.inferer = ExpressionSliceInferer(bfloat16=bfloat16)
        self.inferer.prepare(self.network, torch.device("cpu"))

    def forward(self, image: Tensor) -> Tensor:
        """Image (1, 1, H, W) in 0..1 in, mask (1, 1, H, W) out."""
        words = self.tokenize({EXPRESSION: EXPRESSION_16})
        ids, attention_mask = (words[key][None] for key in (INPUT_IDS, ATTENTION_MASK))
        logits: Tensor = self.inferer(image, self.network, input_ids=ids, attention_mask=attention_mask)
        return logits.sigmoid() >= 0.5


class InOpenVINO(EndToEnd):
    """As ``EndToEnd``, by ``BundlePredictor(backend="openvino")``: in bfloat16 where the CPU multiplies that."""

    def __init__(self, variant: str) -> None:
        super().__init__(variant, bfloat16=False)
        self.eval()
        sample = torch.rand(1, 1, 64, 64), torch.ones(1, 4, dtype=torch.int64), torch.ones(1, 4, dtype=torch.int64)
        with TemporaryDirectory() as folder:
            weights = Path(folder) / "model.pt"
            torch.save(self.network.state_dict(), weights)
            export_split_onnx(self.network, [sample], Path(folder), {WEIGHTS_KEY: weights_hash(weights)})
            self.network = OnnxNetwork(Path(folder), "openvino")


MODELS: dict[str, Callable[[], nn.Module]] = {
    "LSMS tiny": lambda: EndToEnd("tiny", bfloat16=False),
    "LSMS tiny, bfloat16": lambda: EndToEnd("tiny", bfloat16=True),
    "LSMS tiny, OpenVINO": lambda: InOpenVINO("tiny"),
    "LSMS small": lambda: EndToEnd("small", bfloat16=False),
    "LSMS small, bfloat16": lambda: EndToEnd("small", bfloat16=True),
    "DynUNet": lambda: DynUNet(2, 1, 1, [3] * LEVELS, [1] + [2] * (LEVELS - 1), [2] * (LEVELS - 1)),
    "SwinUNETR": lambda: SwinUNETR(1, 1, feature_size=24, spatial_dims=2),
    "BasicUNet": lambda: BasicUNet(2, 1, 1),
}
REFERENCE = "DynUNet"


def prepare(name: str, size: int, device: torch.device) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Build a model for inference and its argument, one slice (1, 1, size, size)."""
    return MODELS[name]().eval().to(device), (torch.rand(1, 1, size, size, device=device),)


def count(network: nn.Module, arguments: tuple[Tensor, ...]) -> dict[str, Any]:
    """Parameters in millions, those of the text encoder apart, and GMAC (10^9 multiply-accumulates) of one slice."""
    in_all = _num_parameters(network)
    in_text_encoder = _num_parameters(network.network.text_encoder) if isinstance(network, EndToEnd) else 0
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # fused attention goes uncounted
        network(*arguments)
    return {
        "parameters_m": round((in_all - in_text_encoder) / 1e6, 2),
        "text_encoder_parameters_m": round(in_text_encoder / 1e6, 2),
        "gmac": round(counter.get_total_flops() / 2e9, 2),
    }


def time_all(
    prepared: Mapping[Name, tuple[Callable[..., Any], tuple[Any, ...]]], repeats: int, device: torch.device
) -> dict[Name, list[float]]:
    """Milliseconds of each repeat; the calls take turns, so that a busy moment of the machine hits all alike."""
    times: dict[Name, list[float]] = {name: [] for name in prepared}
    for repeat in range(repeats + 1):
        for name, (call, arguments) in prepared.items():
            _synchronize(device)
            start = time.perf_counter()
            call(*arguments)
            _synchronize(device)
            if repeat > 0:  # the first round warms up
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def peak_memory_mib(name: str, size: int, device: torch.device) -> float:
    """What weights and one forward pass add to the memory of a fresh process (CPU) or of the device."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before = status_mib("VmRSS")
    network, arguments = prepare(name, size, device)
    network(*arguments)
    _synchronize(device)
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1024**2, 1)
    return round(status_mib("VmHWM") - before, 1)


def measure(names: Sequence[str], size: int, repeats: int, device: torch.device) -> list[dict[str, Any]]:
    """One record a model; memory is measured in a process of its own."""
    prepared = {name: prepare(name, size, device) for name in names}
    # what another engine runs has neither parameters nor operations that PyTorch could count
    counts = {name: count(*prepared[name]) for name in names if _num_parameters(prepared[name][0])}
    times = time_all(prepared, repeats, device)
    reference = statistics.median(times[REFERENCE]) if REFERENCE in times else None
    records = []
    for name in names:
        command = [sys.executable, __file__, "--peak-of", name, "--size", str(size), "--device", str(device)]
        command += ["--threads", str(torch.get_num_threads())]
        peak = subprocess.run(command, capture_output=True, text=True, check=True) if name in counts else None
        records.append(
            {
                "model": name,
                "size": size,
                **counts.get(name, {}),
                "ms_per_slice": round(statistics.median(times[name]), 1),
                "ms_fastest": round(min(times[name]), 1),
                "times_dynunet": round(statistics.median(times[name]) / reference, 2) if reference else None,
                "peak_memory_mib": float(peak.stdout) if peak else None,
                "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            }
        )
    return records


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224, help="height and width of the slice, a multiple of 32")
    parser.add_argument("--repeats", type=int, default=15, help="timed forward passes of each model")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch on the CPU")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), help="which to measure")
    parser.add_argument("--peak-of", choices=list(MODELS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.size < 32 or options.size % 32 or options.repeats < 1:
        parser.error(f"--size must be a multiple of 32 and --repeats positive, got {options.size}, {options.repeats}")
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    with torch.inference_mode():
        if options.peak_of:
            sys.stdout.write(f"{peak_memory_mib(options.peak_of, options.size, device)}\n")
            return
        for record in measure(options.models, options.size, options.repeats, device):
            sys.stdout.write(json.dumps(record) + "\n")


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def status_mib(field: str) -> float:
    """A line of /proc/self/status, which Linux alone has."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status must name {field}, but does not; measure on Linux")


def processor() -> str:
    """Name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
