# SPDX-License-Identifier: Apache-2.0
"""Make Holoscan importable on a machine without CUDA. Import this before anything of MONAI."""

import ctypes
import sys
import warnings
from pathlib import Path


def load() -> Path | None:
    """Load the CUDA runtime of the wheel `nvidia-cuda-runtime`, which Holoscan links to and does not find by itself.

    Returns:
        The library, or None where the wheel is not installed and the system's own is used.
    """
    warnings.filterwarnings("ignore", message="Current stack size")  # of Holoscan, which runs all the same
    for folder in sys.path:
        for library in sorted(Path(folder).glob("nvidia/*/lib/libcudart.so.1[0-9]")):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            return library
    return None


load()
