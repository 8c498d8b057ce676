# SPDX-License-Identifier: Apache-2.0
"""Where the voxels of a CT lie in the patient."""

from __future__ import annotations

import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

LPS_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))  # and back
TOLERANCE_MM = 0.1  # between the corners of two grids that are one


def to_lps(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image so that its axes run to the patient's left, back and head.

    Args:
        array: (W, H, D).
        affine: (4, 4), voxel to RAS mm.

    Returns:
        The turned array and its affine.
    """
    turn = ornt_transform(io_orientation(affine), axcodes2ornt("LPS"))
    return apply_orientation(array, turn), affine @ inv_ornt_aff(turn, array.shape)


def check_same_shape(name: str, shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    """Refuse a map of another shape than that of its image.

    Args:
        name: of the map, for the message.
        shape: of the map.
        size: shape of the image.

    Raises:
        ValueError: if they differ.
    """
    if shape != size:
        raise ValueError(
            f"{name} and image must have the same shape, got {shape} and {size}; resample it onto the image"
        )


def check_same_place(
    name: str, affine: np.ndarray, shape: tuple[int, ...], other: np.ndarray, size: tuple[int, ...]
) -> None:
    """Refuse a map that does not lie on the voxels of its image, both in the same order of axes.

    Args:
        name: of the map, for the message.
        affine: (4, 4) of the map, voxel to mm.
        shape: (W, H, D) of the map.
        other: affine of the image.
        size: shape of the image.

    Raises:
        ValueError: if the shapes differ, or a corner lies more than `TOLERANCE_MM` from that of the image.
    """
    check_same_shape(name, shape, size)
    apart_mm = float(np.abs(_corners(affine, size) - _corners(other, size)).max())
    if apart_mm > TOLERANCE_MM:
        raise ValueError(
            f"{name} must lie where its image lies, got corners {apart_mm:.1f} mm apart; resample it onto the image"
        )


def upright(affine: np.ndarray) -> np.ndarray:
    """Affine of the same slices, stacked along their normal: a tilted gantry shifts each against the one before.

    Args:
        affine: (4, 4), voxel to mm, the slices along the third axis.

    Returns:
        (4, 4). The slices keep their distance and the pixels of a slice their places; the affine itself if it holds
        no tilt.
    """
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    normal = normal / np.linalg.norm(normal)
    step = normal * (normal @ affine[:3, 2])
    if np.allclose(step, affine[:3, 2], atol=1e-3 * np.linalg.norm(step)):
        return affine
    result = affine.copy()
    result[:3, 2] = step
    return result


def _corners(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """First and last voxel of an image in mm."""
    return affine[:3, :3] @ np.array([[0, size - 1] for size in shape]) + affine[:3, 3:]
