# SPDX-License-Identifier: Apache-2.0
"""How large a lesion is on axial slices: the two diameters that people speak of."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

_EDGE_MIDPOINTS = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5]])


def round_diameter(mask: np.ndarray, pixel_area: float) -> float:
    """Diameter of the circle with the area of the largest section.

    Args:
        mask: bool (W, H, D), sections along the last axis.
        pixel_area: area of a pixel of a section.
    """
    return 2 * float(np.sqrt(np.count_nonzero(mask, axis=(0, 1)).max() * pixel_area / np.pi))


def longest_diameter(mask: np.ndarray, steps: np.ndarray) -> float:
    """Longest distance inside one section.

    Args:
        mask: bool (W, H, D), sections along the last axis.
        steps: (3, 2), from a pixel of a section to the next along W and along H.
    """
    return max(_longest(mask[..., index], steps) for index in range(mask.shape[2]))


def _longest(plane: np.ndarray, steps: np.ndarray) -> float:
    rows = np.flatnonzero(plane.any(axis=1))
    if rows.size == 0:
        return 0.0
    first = plane[rows].argmax(axis=1)
    last = plane.shape[1] - 1 - plane[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)])
    corners = (ends[:, None] + _EDGE_MIDPOINTS).reshape(-1, 2)
    # an orthonormal basis of the slice: distances stay true when the two steps are unequal or not perpendicular
    points = corners @ np.linalg.qr(steps)[1].T
    return float(pdist(points[ConvexHull(points).vertices]).max())
