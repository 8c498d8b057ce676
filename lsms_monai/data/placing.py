# SPDX-License-Identifier: Apache-2.0
"""Where in the liver lesions lie, with margins: no word where it would be a coin toss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from lsms_monai.keys import UNKNOWN_VALUE

POSITION_MARGIN = 0.12  # of the organ's extent
LOBE_MARGIN = 0.1  # of half the body's width, from the middle of a lesion to the plane between the lobes
WIDE_MARGIN = 0.15  # the same where the organ is not known
WITHIN_RATE = 0.9  # of a lesion that lies in the lobe it is said to be in
SUBCAPSULAR_MM, CENTRAL_MM = 4.0, 15.0  # at most, at least, from a lesion to the capsule
GRID_MM = 3.0  # on which the distance from the capsule is measured at most
HILUM_MM = 10.0  # half the width of clefts that are no capsule
PICTURE_MM = 380.0  # width that a picture of unknown scale is taken to show
BODY_HU, FAT_MM = -250.0, 12.0
# The plane between the lobes (Cantlie's line) runs from the vena cava to the front and right. Place of the vena cava
# from the middle of the body in half widths and half depths of it, and turn in radians:
CAVA_RIGHT, CAVA_BACK, LOBE_TURN = 0.16, 0.12, 0.32
LOBES_IN_ORGAN = (0.4, 0.72)  # of the liver's width from the right: below lies the right lobe, above the left
MAX_SLICES = 9  # that are looked at to find the body


@dataclass(frozen=True, eq=False)
class Scan:
    """An image with its lesions; the arrays are (W, H, D) in LPS order.

    Args:
        image: HU.
        labels: instance map, 255 where nobody knows.
        organ: mask of the organ with its lesions; None if not known.
        affine: (4, 4), voxel to RAS mm.
        in_mm: whether the affine knows the size of a voxel.
    """

    image: np.ndarray
    labels: np.ndarray
    organ: np.ndarray | None
    affine: np.ndarray
    in_mm: bool = True

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size in mm, estimated where it is not known."""
        if self.in_mm:
            return np.linalg.norm(self.affine[:3, :3], axis=0)
        return np.full(3, PICTURE_MM / self.image.shape[0])

    def lesions(self) -> dict[int, tuple[slice, ...]]:
        """Value and box of each lesion."""
        boxes = enumerate(ndimage.find_objects(self.labels), start=1)
        return {value: box for value, box in boxes if box is not None and value != UNKNOWN_VALUE}


@dataclass(frozen=True)
class Place:
    """Where a lesion lies; None where that is not clear."""

    side: str | None = None
    depth: str | None = None
    capsule: str | None = None
    level: str | None = None


def places(scan: Scan) -> dict[int, Place]:
    """Tell where each lesion lies.

    The lobe comes from the middle of the body where the image shows it whole, else from the width of the organ. Depth,
    level and distance from the capsule need the organ; a slice is its own world and has no level.

    Returns:
        Place of each lesion by its value.
    """
    lesions = scan.lesions()
    voxels = {value: _voxels(scan.labels[box] == value, box) * scan.spacing for value, box in lesions.items()}
    body = _body(scan)
    if scan.organ is None or not scan.organ.any():
        return {value: Place(_lobe_in_body(points, body, WIDE_MARGIN)) for value, points in voxels.items()}
    low, high = (_corner(scan.organ, end) * scan.spacing for end in (0, -1))
    rows = np.count_nonzero(scan.organ, axis=(0, 2))
    middle = np.array((0, np.average(np.arange(len(rows)), weights=rows) * scan.spacing[1], (low[2] + high[2]) / 2))
    capsule = _capsule(scan, scan.organ, lesions)
    found = {}
    for value, points in voxels.items():
        _, back, up = (points.mean(axis=0) - middle) / (high - low + scan.spacing)
        found[value] = Place(
            side=_lobe_in_organ(points, low, high) if body is None else _lobe_in_body(points, body, LOBE_MARGIN),
            depth=depth_word(back),
            capsule=capsule[value],
            level=level_word(up) if scan.labels.shape[2] > 1 else None,
        )
    return found


def lobe_distance(image: np.ndarray, organ: np.ndarray, spacing: Sequence[float]) -> np.ndarray | None:
    """Tell how far each voxel lies from the plane between the hepatic lobes, as it lies in most people.

    Args:
        image: HU (W, H, D) in LPS order.
        organ: mask (W, H, D) of the liver.
        spacing: voxel size in mm.

    Returns:
        Distance in mm (W, H, D), positive on the patient's left; None if the image cuts off the body.
    """
    scan = Scan(image, organ.astype(np.uint8), organ, np.diag((-spacing[0], -spacing[1], spacing[2], 1)))
    body = _body(scan)
    if body is None:
        return None
    x, y = (np.arange(size) * step for size, step in zip(image.shape, spacing[:2], strict=False))
    return np.broadcast_to(body.left_of_plane(x[:, None, None], y[None, :, None]).astype(np.float32), image.shape)


def depth_word(offset: float) -> str | None:
    """Part of the organ by the way back from its middle to a lesion's, in units of the organ's extent."""
    return _beyond(offset, POSITION_MARGIN, ("anterior", "posterior"))


def level_word(offset: float) -> str | None:
    """Part of the organ by the way up from its middle to a lesion's, in units of the organ's extent."""
    return _beyond(offset, POSITION_MARGIN, ("lower", "upper"))


def capsule_word(gap_mm: float) -> str | None:
    """Whether a lesion lies near the capsule, by the shortest way in mm from one to the other."""
    return "subcapsular" if gap_mm <= SUBCAPSULAR_MM else "central" if gap_mm >= CENTRAL_MM else None


def _beyond(offset: float, margin: float, words: tuple[str, str]) -> str | None:
    """First word clearly below 0, second clearly above."""
    return words[int(offset > 0)] if abs(offset) >= margin else None


def _voxels(lesion: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """Indices (N, 3) of the voxels of a lesion given in its box."""
    return np.argwhere(lesion) + [part.start for part in box]


def _corner(mask: np.ndarray, end: int) -> np.ndarray:
    """First (0) or last (-1) index of a mask along each axis."""
    return np.array([np.flatnonzero(mask.any(axis=axes))[end] for axes in ((1, 2), (0, 2), (0, 1))])


@dataclass(frozen=True)
class _Body:
    """Middle and half extents of the trunk in the axial plane, in mm from the first voxel."""

    middle: np.ndarray
    half: np.ndarray

    def left_of_plane(self, x: Any, y: Any) -> Any:
        """Distance in mm to the plane between the hepatic lobes of points in mm, positive on the patient's left."""
        left = x - self.middle[0] + self.half[0] * CAVA_RIGHT
        back = y - self.middle[1] - self.half[1] * CAVA_BACK
        return left * np.cos(LOBE_TURN) - back * np.sin(LOBE_TURN)


def _body(scan: Scan) -> _Body | None:
    """Trunk on the slices of lesions and organ; None where the image cuts it off."""
    wanted = scan.labels > 0 if scan.organ is None else scan.organ
    indices = np.flatnonzero(wanted.any(axis=(0, 1)))
    threshold = max(BODY_HU, float(scan.image.min()) + 10)
    found = []
    for index in indices[:: max(1, len(indices) // MAX_SLICES)]:
        inside = scan.image[:, :, index] > threshold
        if threshold > BODY_HU:  # fat looks like air: only organs and bones show
            inside = ndimage.binary_closing(inside, iterations=int(np.ceil(FAT_MM / scan.spacing[0])))
        parts, number = ndimage.label(inside)
        if number == 0:
            continue
        trunk = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
        if not (trunk[0].any() or trunk[-1].any()):
            found.append([_extent(trunk), _extent(trunk.T)])
    if not found:
        return None
    middle, half = np.moveaxis(np.median(found, axis=0), -1, 0) * scan.spacing[:2]
    return _Body(middle, half)


def _extent(trunk: np.ndarray) -> tuple[float, float]:
    """Middle and half of the extent along the first axis, over the lines that cross it most widely."""
    lines = trunk[:, trunk.any(axis=0)]
    first, last = lines.argmax(axis=0), len(lines) - 1 - lines[::-1].argmax(axis=0)
    wide = last - first >= 0.7 * (last - first).max()
    return float(np.median((first + last)[wide]) / 2), float((last - first + 1).max() / 2)


def _lobe_in_body(points: np.ndarray, body: _Body | None, margin: float) -> str | None:
    """Lobe in which most of a lesion lies, by the plane between the lobes as it is in most people."""
    if body is None:
        return None
    offsets = body.left_of_plane(points[:, 0], points[:, 1]) / body.half[0]
    middle = float(offsets.mean())
    if np.mean(offsets * np.sign(middle) > 0) < WITHIN_RATE:
        return None
    return _beyond(middle, margin, ("right", "left"))


def _lobe_in_organ(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> str | None:
    """Lobe of a lesion's middle, by the liver's own width."""
    start, stop = LOBES_IN_ORGAN
    part = float(points[:, 0].mean() - low[0]) / max(float(high[0] - low[0]), 1e-6)
    return _beyond(part - (start + stop) / 2, (stop - start) / 2, ("right", "left"))


def _capsule(scan: Scan, organ: np.ndarray, lesions: dict[int, tuple[slice, ...]]) -> dict[int, str | None]:
    """Whether each lesion lies near the outer surface of the organ; its hilum and clefts are not that surface."""
    step = np.maximum(GRID_MM // scan.spacing, 1).astype(int)  # thin slices would take long, and add nothing
    start, stop = (_corner(organ, end) for end in (0, -1))
    margin = np.ceil(2 * HILUM_MM / scan.spacing).astype(int)
    start = np.maximum(start - margin, 0)
    coarse = organ[tuple(slice(a, b, n) for a, b, n in zip(start, stop + margin + 1, step, strict=True))]
    sampling = scan.spacing * step * (1, 1, 1 if scan.labels.shape[2] > 1 else 1e6)
    grown = ndimage.distance_transform_edt(~coarse, sampling=sampling) < HILUM_MM
    depth_mm = np.maximum(ndimage.distance_transform_edt(grown, sampling=sampling) - HILUM_MM, 0)
    found: dict[int, str | None] = {}
    for value, box in lesions.items():
        voxels = _voxels(scan.labels[box] == value, box) - start
        found[value] = capsule_word(float(depth_mm[tuple((voxels // step).T)].min()))
    return found
