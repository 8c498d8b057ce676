# SPDX-License-Identifier: Apache-2.0
"""A volume as a page shows it: axial slices in the radiological view, contours in their pixels."""

import io
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from lsms_monai.answer import Answer

NEAR_MIDDLE_RATE = 0.05  # of the width of the image: nearer to its middle, no side is named


class View:
    """Axial slices of a volume, the patient's right on the left of the picture and the front at its top.

    Args:
        image: intensities in HU, (W, H, D).
        affine: 4x4, voxel -> RAS mm.
    """

    def __init__(self, image: np.ndarray, affine: np.ndarray) -> None:
        self._to_lps = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt("LPS"))
        self.image = self.oriented(image)  # (W, H, D), i to the patient's left, j to the back, k to the head
        sizes = np.empty(3)
        sizes[self._to_lps[:, 0].astype(int)] = np.linalg.norm(affine[:3, :3], axis=0)
        self.spacing_mm = tuple(float(size) for size in sizes)
        middle = affine @ [*((np.array(image.shape) - 1) / 2), 1]
        self._middle_mm = float(middle[0])

    def oriented(self, volume: np.ndarray) -> np.ndarray:
        """A volume on the voxels of the image, in the order of the view; no copy."""
        return nib.orientations.apply_orientation(volume, self._to_lps)

    def to_dict(self) -> dict[str, Any]:
        """Number of slices and size of one in pixels and mm."""
        width, height, num_slices = self.image.shape
        size = {"width_mm": width * self.spacing_mm[0], "height_mm": height * self.spacing_mm[1]}
        return {"num_slices": num_slices, "width": width, "height": height, **size}

    def slice_png(self, number: int, lower: float, upper: float) -> bytes:
        """One slice as a grey PNG.

        Args:
            number: axial slice, 0 nearest to the feet.
            lower: HU that is black.
            upper: HU that is white.

        Raises:
            ValueError: if there is no such slice, or the window is empty.
        """
        num_slices = self.image.shape[2]
        if not 0 <= number < num_slices:
            raise ValueError(f"slice must lie in 0..{num_slices - 1}, got {number}")
        if not lower < upper:
            raise ValueError(f"the lower end of the window must lie below the upper one, got {lower:g} and {upper:g}")
        plane = np.nan_to_num(self.image[:, :, number].T.astype(np.float32), nan=lower, posinf=upper, neginf=lower)
        grey = np.round(255 * np.clip((plane - lower) / (upper - lower), 0, 1)).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def contours(self, mask: np.ndarray) -> dict[int, list[list[int]]]:
        """Outlines of a mask along the edges of its pixels.

        Args:
            mask: bool, on the voxels of the image.

        Returns:
            For each slice with a part of the mask, lines [x1, y1, x2, y2] in pixels, (0, 0) the upper left corner.
        """
        volume = self.oriented(mask)
        numbers = np.flatnonzero(volume.any(axis=(0, 1)))
        return {int(number): _outline(volume[:, :, number]) for number in numbers}

    def largest_slice(self, mask: np.ndarray) -> int | None:
        """Slice with the largest area of a mask; None if it is empty."""
        areas = self.oriented(mask).sum(axis=(0, 1))
        return int(areas.argmax()) if areas.any() else None

    def side(self, answer: Answer) -> str | None:
        """Side of the patient that most of an answer lies on, "right", "left" or "middle"; None if not found.

        Measured against the middle of the image; it says nothing of the lobes of the liver.
        """
        if not answer.lesions:
            return None
        volumes = [lesion.volume_ml for lesion in answer.lesions]
        x_mm = float(np.average([lesion.centroid_mm[0] for lesion in answer.lesions], weights=volumes))
        if abs(x_mm - self._middle_mm) < NEAR_MIDDLE_RATE * self.image.shape[0] * self.spacing_mm[0]:
            return "middle"
        return "right" if x_mm > self._middle_mm else "left"


def _outline(plane: np.ndarray) -> list[list[int]]:
    """Edges between a plane's (W, H) inside and outside, runs of them joined."""
    padded = np.pad(plane, 1).astype(np.int8)
    lines = []
    for axis in (0, 1):
        # along the other axis, an edge begins or ends where the row of differences changes
        edges = np.diff(padded, axis=axis)
        edges = edges if axis == 0 else edges.T
        changes = np.diff(np.pad((edges != 0).astype(np.int8), ((0, 0), (1, 1))), axis=1)
        starts, ends = np.argwhere(changes == 1), np.argwhere(changes == -1)
        for (at, start), (_, end) in zip(starts.tolist(), ends.tolist(), strict=True):
            first, last = (at, start - 1), (at, end - 1)
            lines.append([*first, *last] if axis == 0 else [*first[::-1], *last[::-1]])
    return lines
