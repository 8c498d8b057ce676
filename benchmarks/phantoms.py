# SPDX-License-Identifier: Apache-2.0
"""Phantoms a second on one core: one JSON line."""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from lsms_monai.data import phantom


def measure(size: int, spacing_mm: float, num_phantoms: int, seed: int = 0) -> dict[str, Any]:
    """Make slices of `size` x `size` pixels after one round of warm-up, and say how fast."""
    grid: dict[str, Any] = {"shape": (size, size, 1), "spacing": (spacing_mm, spacing_mm, 5.0)}
    phantom((seed, num_phantoms), **grid)
    cpu, wall, ms = time.process_time(), time.perf_counter(), []
    for number in range(num_phantoms):
        start = time.process_time()
        phantom((seed, number), **grid)
        ms.append(1e3 * (time.process_time() - start))
    return {
        "size": size,
        "spacing_mm": spacing_mm,
        "phantoms": num_phantoms,
        "slices_per_cpu_s": round(num_phantoms / (time.process_time() - cpu), 1),
        "slices_per_s": round(num_phantoms / (time.perf_counter() - wall), 1),
        "ms_median": round(float(np.median(ms)), 2),
        "ms_slowest": round(max(ms), 2),
        "machine": platform.machine(),
        "numpy": np.__version__,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="pixels of a side")
    parser.add_argument("--spacing", type=float, default=1.5, help="pixel size in mm")
    parser.add_argument("--phantoms", type=int, default=200, help="slices to make")
    options = parser.parse_args(arguments)
    if min(options.size, options.phantoms) < 1 or options.spacing <= 0:
        parser.error("--size, --spacing and --phantoms must be positive")
    sys.stdout.write(json.dumps(measure(options.size, options.spacing, options.phantoms)) + "\n")


if __name__ == "__main__":
    main()
