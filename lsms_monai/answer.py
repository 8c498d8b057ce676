# SPDX-License-Identifier: Apache-2.0
"""What a person gets back for one expression: the mask, and every lesion in it measured in millimetres."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from lsms_monai.data.diameter import longest_diameter

SPECK_DIAMETER_MM = 3.0  # a component shorter than this is counted as a speck, never removed
_DIGITS = {"volume_ml": 3, "longest_axial_diameter_mm": 1, "mean_hu": 1, "centroid_mm": 1, "confidence": 3}


@dataclass(frozen=True)
class Lesion:
    """One connected component (26-connectivity) of a mask, however small.

    Args:
        volume_ml: number of voxels times the volume of a voxel.
        longest_axial_diameter_mm: longest distance on one axial slice between midpoints of voxel edges, which for a
            round lesion is nearer to the truth than voxel centres (too short) or voxel corners (too long).
        mean_hu: mean of the finite intensities; None where there is none.
        centroid_mm: right-to-left, back-to-front and feet-to-head position (RAS).
        slice_range: first and last axial slice, both inclusive, counted from 0 as in the file.
        confidence: mean probability of the lesion's voxels, between the threshold and 1.
    """

    volume_ml: float
    longest_axial_diameter_mm: float
    mean_hu: float | None
    centroid_mm: tuple[float, float, float]
    slice_range: tuple[int, int]
    confidence: float

    @property
    def is_speck(self) -> bool:
        """Whether the component is too small to be counted as a lesion in the summary."""
        return self.longest_axial_diameter_mm < SPECK_DIAMETER_MM

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, rounded to what the measurement can bear."""
        return {**{key: _round(value, _DIGITS.get(key)) for key, value in asdict(self).items()}, "speck": self.is_speck}


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one expression.

    Args:
        expression: the words as the person wrote them.
        mask: bool (W, H, D), on the voxels of the input.
        lesions: the components of the mask, largest volume first; specks are among them.
        probability: float32 (W, H, D) of what the network was asked, before the resolution; None when not asked for.
        duration_s: seconds spent on this expression, with its part of what expressions share.
        existence: 0..1, how sure it is that the expression has a target; below the bundle's threshold the mask is
            empty.
        resolution: one sentence: how the answer of the network became this mask.
        unknown_words: words that training never used, if the expression was not understood as a whole and so reached
            the network as it is.
    """

    expression: str
    mask: np.ndarray
    lesions: list[Lesion]
    probability: np.ndarray | None = None
    duration_s: float = 0.0
    existence: float = 0.0
    resolution: str = ""
    unknown_words: list[str] = field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether anything is marked: it exists surely enough, and the words leave a lesion of the image."""
        return bool(self.lesions)

    @property
    def volume_ml(self) -> float:
        """Volume of the whole mask."""
        return sum(lesion.volume_ml for lesion in self.lesions)

    def summary(self) -> str:
        """Say in one line what was found."""
        if not self.found:
            return "Not found: no part of the image matches the expression."
        num_specks = sum(lesion.is_speck for lesion in self.lesions)
        num_lesions = len(self.lesions) - num_specks
        specks = f"{_count(num_specks, 'speck')} under {SPECK_DIAMETER_MM:g} mm"
        if num_lesions == 0:
            return f"Found: only {specks}, {_volume(self.volume_ml)}"
        longest_mm = max(lesion.longest_axial_diameter_mm for lesion in self.lesions)
        in_all = " in all" if len(self.lesions) > 1 else ""
        text = f"Found: {_count(num_lesions, 'lesion')}" + (f" and {specks}" if num_specks else "")
        return f"{text}, {_volume(self.volume_ml)}{in_all}, longest axial diameter {longest_mm:.0f} mm"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready content, without the voxels."""
        return {
            "expression": self.expression,
            "found": self.found,
            "summary": self.summary(),
            "resolution": self.resolution,
            "existence": _round(self.existence, 3),
            "unknown_words": list(self.unknown_words),
            "volume_ml": _round(self.volume_ml, 3),
            "lesions": [lesion.to_dict() for lesion in self.lesions],
            "duration_s": _round(self.duration_s, 2),
        }


def axial_axis(affine: np.ndarray) -> int:
    """Find the array axis that runs closest to feet-to-head, the one that Orientationd makes the slice axis.

    Args:
        affine: 4x4, voxel -> RAS mm.

    Returns:
        0, 1 or 2.
    """
    return int(np.flatnonzero(nib.io_orientation(affine)[:, 0] == 2)[0])


def measure_lesions(mask: np.ndarray, image: np.ndarray, probability: np.ndarray, affine: np.ndarray) -> list[Lesion]:
    """Measure every connected component of a mask.

    Args:
        mask: bool (W, H, D).
        image: intensities in HU, (W, H, D).
        probability: (W, H, D), 0..1.
        affine: 4x4, voxel -> RAS mm.

    Returns:
        The components, largest volume first; voxels that touch by a corner belong together.
    """
    if not mask.any():
        return []
    outer = ndimage.find_objects(mask.astype(np.uint8))[0]
    labels, _ = ndimage.label(mask[outer], structure=np.ones((3, 3, 3)))
    lesions = []
    for number, inner in enumerate(ndimage.find_objects(labels), start=1):
        start = [o.start + i.start for o, i in zip(outer, inner, strict=True)]
        box = tuple(slice(s, s + i.stop - i.start) for s, i in zip(start, inner, strict=True))
        lesions.append(measure_lesion(labels[inner] == number, image[box], probability[box], affine, start))
    return sorted(lesions, key=lambda lesion: -lesion.volume_ml)


def measure_lesion(
    inside: np.ndarray, image: np.ndarray, probability: np.ndarray, affine: np.ndarray, start: Sequence[int]
) -> Lesion:
    """Measure one component in its own box.

    Args:
        inside: bool (w, h, d), its voxels; each face of the box touches one.
        image: intensities in HU, (w, h, d).
        probability: (w, h, d), 0..1.
        affine: 4x4, voxel of the whole volume -> RAS mm.
        start: first voxel of the box in the whole volume.
    """
    axis = axial_axis(affine)
    num_slices = inside.shape[axis]
    plane_axes = [a for a in range(3) if a != axis]
    hu = image[inside]
    hu = hu[np.isfinite(hu)]
    centroid = affine[:3, :3] @ (_centre(inside) + start) + affine[:3, 3]
    return Lesion(
        volume_ml=float(np.count_nonzero(inside) * abs(np.linalg.det(affine[:3, :3])) / 1000.0),
        longest_axial_diameter_mm=longest_diameter(np.moveaxis(inside, axis, 2), affine[:3, plane_axes]),
        mean_hu=float(hu.mean(dtype=np.float64)) if hu.size else None,
        centroid_mm=(float(centroid[0]), float(centroid[1]), float(centroid[2])),
        slice_range=(int(start[axis]), int(start[axis]) + num_slices - 1),
        confidence=float(probability[inside].mean(dtype=np.float64)),
    )


def _centre(inside: np.ndarray) -> np.ndarray:
    """Mean index along each axis, from the projections: no list of the voxels of a large component is made."""
    projections = [np.count_nonzero(inside, axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return np.array([np.average(np.arange(len(counts)), weights=counts) for counts in projections])


def _round(value: Any, digits: int | None) -> Any:
    """Round a number or each of a tuple; what is not finite becomes None, as JSON has no word for it."""
    if isinstance(value, tuple):
        return [_round(v, digits) for v in value]
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    return value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _volume(volume_ml: float) -> str:
    return f"{volume_ml:.1f} ml" if volume_ml >= 1 else f"{volume_ml:.2f} ml"
