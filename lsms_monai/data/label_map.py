# SPDX-License-Identifier: Apache-2.0
"""What the values of a label map may be."""

from __future__ import annotations

import numpy as np

from lsms_monai.keys import UNKNOWN_VALUE

TOLERANCE = 0.1  # from a whole number: a file that scales its integers by a slope gives them back nearly
WRITE_AS_1 = 'write them as 1; if there is none, say "label_value": []'  # a hint for datalists


def whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Round what a file has made of integers.

    Args:
        name: of the map, for the message.
        values: of any shape.

    Returns:
        The values as integers of any kind.

    Raises:
        ValueError: if one of them is not nearly a whole number, or below 0.
    """
    whole, wrong = values, values < 0
    if values.dtype.kind == "f":
        whole = np.rint(values)
        wrong = wrong | ~(np.abs(values - whole) <= TOLERANCE)  # not a number is wrong too
    if wrong.any():
        raise ValueError(
            f"{name} must hold whole numbers from 0, one per lesion, got {values[wrong][0]:g}; save it as integers, "
            "and resample it with the nearest neighbour"
        )
    return whole if values.dtype.kind in "iub" else whole.astype(np.int32)


def check_lesions_known(name: str, values: np.ndarray, hint: str) -> None:
    """Refuse a map of 0 and 255: 255 means that nobody knows, but others write masks so.

    Args:
        name: of the map, for the message.
        values: whole numbers of any shape.
        hint: how to say that these are the lesions.

    Raises:
        ValueError: if 255 is the only value above 0.
    """
    if np.any(values == UNKNOWN_VALUE) and not np.any((values > 0) & (values != UNKNOWN_VALUE)):
        raise ValueError(
            f"{name} must hold lesions as 1 or 1..n, got {UNKNOWN_VALUE} alone, which means that nobody knows; "
            f"if those are the lesions, {hint}"
        )
