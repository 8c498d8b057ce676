# SPDX-License-Identifier: Apache-2.0
"""Where the time of one slice goes: parts of LSMS beside what the machine multiplies and copies, a JSON line each."""

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from latency import NUM_TOKENS, processor
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lsms_monai.networks import LSMS
from lsms_monai.networks.lsms import VARIANTS

PARTS = (
    "text_encoder",
    "encoder.position",
    *(f"encoder.{part}.{stage}" for stage in range(4) for part in ("embeddings", "stages")),
    "encoder.norms",
    "decoder.enter",
    "decoder.mixer",
    "decoder.merge",
    "decoder.refine",
    "head",
    "detail",
    "organ",
)


class Clock:
    """Milliseconds in each part of a network, and the bytes that its layers read and write.

    Args:
        network: holds the parts; the clock listens until `stop`.
    """

    def __init__(self, network: nn.Module) -> None:
        self.ms: dict[str, float] = defaultdict(float)
        self.mib: dict[str, float] = defaultdict(float)
        self._handles = []
        for name, module in network.named_modules():
            part = next((part for part in PARTS if f"{name}.".startswith(f"{part}.")), None)
            if part is None:
                continue
            outermost = name == part or (name.rpartition(".")[0] == part and _is_list(network.get_submodule(part)))
            if outermost and not _is_list(module):
                self._time(part, module)
            if not list(module.children()):
                self._handles.append(module.register_forward_hook(self._counter(part)))

    def stop(self) -> None:
        """Listen no longer."""
        for handle in self._handles:
            handle.remove()

    def _time(self, part: str, module: nn.Module) -> None:
        started: list[float] = []

        def begin(*_: Any) -> None:
            started.append(time.perf_counter())

        def end(*_: Any) -> None:
            self.ms[part] += 1e3 * (time.perf_counter() - started.pop())

        self._handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]

    def _counter(self, part: str) -> Callable[..., None]:
        def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            tensors = [one for one in (*inputs, output, *module.parameters()) if isinstance(one, Tensor)]
            self.mib[part] += sum(tensor.nbytes for tensor in tensors) / 1024**2

        return count


def _is_list(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList)


def ceilings(repeats: int = 9) -> tuple[float, float]:
    """Fastest matrix product (GMAC/s, float32, 1024 x 1024) and fastest copy (GB/s read and written, 256 MB)."""
    one, large = torch.rand(1024, 1024), torch.rand(64_000_000)
    target = torch.empty_like(large)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for taken, call in zip(seconds, (lambda: one @ one, lambda: target.copy_(large)), strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return 1024**3 / min(seconds[0]) / 1e9, 2 * large.nbytes / min(seconds[1]) / 1e9


def measure(network: nn.Module, arguments: tuple[Tensor, ...], repeats: int) -> list[dict[str, Any]]:
    """One record a part, and one of everything."""
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False, depth=3) as counter,
    ):  # fused attention is uncounted
        network(*arguments)
    counts = {name: sum(each.values()) / 2e9 for name, each in counter.get_flop_counts().items()}
    gmac_s, gb_s = ceilings()
    rounds: list[dict[str, float]] = []
    for _ in range(repeats + 1):  # the first one warms up
        clock, start = Clock(network), time.perf_counter()
        network(*arguments)
        rounds.append({**clock.ms, "all": 1e3 * (time.perf_counter() - start)})
        clock.stop()
    kind = type(network).__name__
    records = []
    for part in (*PARTS, "all"):
        ms = statistics.median(one.get(part, 0.0) for one in rounds[1:])
        gmac = counts["Global"] if part == "all" else _inside(counts, f"{kind}.{part}")
        mib = sum(clock.mib.values()) if part == "all" else clock.mib[part]
        floor = max(gmac / gmac_s, mib * 1024**2 / 1e9 / gb_s) * 1e3
        record = {"part": part, "ms": round(ms, 2), "gmac": round(gmac, 3), "mib": round(mib, 1)}
        records.append(
            {**record, "floor_ms": round(floor, 2), "gmac_per_s": round(gmac_s, 1), "gb_per_s": round(gb_s, 1)}
        )
    return records


def _inside(counts: dict[str, float], name: str) -> float:
    """GMAC of a part: its own, or those of the modules of a list, which itself is never called."""
    return counts.get(name) or sum(gmac for other, gmac in counts.items() if other.rpartition(".")[0] == name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="tiny", choices=sorted(VARIANTS), help="size of the network")
    parser.add_argument("--size", type=int, default=224, help="height and width of the slice")
    parser.add_argument("--repeats", type=int, default=15, help="timed forward passes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    options = parser.parse_args(arguments)
    if min(options.size, options.repeats, options.threads) < 1:
        parser.error("--size, --repeats and --threads must be positive")
    torch.set_num_threads(options.threads)
    network = LSMS(options.variant).eval()
    words = torch.arange(1000, 1000 + NUM_TOKENS)[None]
    about = {"variant": options.variant, "size": options.size, "threads": options.threads, "device": processor()}
    with torch.inference_mode():
        for record in measure(network, (torch.rand(1, 1, options.size, options.size), words), options.repeats):
            sys.stdout.write(json.dumps({**record, **about, "torch": torch.__version__}) + "\n")


if __name__ == "__main__":
    main()
