# SPDX-License-Identifier: Apache-2.0
"""Lesions of known place, size and attenuation in a liver, synthetic or real."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from lsms_monai.data.anatomy import LIVER, Anatomy
from lsms_monai.data.attributes import core, depth_in_slice
from lsms_monai.data.body import Grid
from lsms_monai.data.diameter import longest_diameter, round_diameter
from lsms_monai.data.meaning import LesionAttributes
from lsms_monai.data.painting import REACH, Appearance, draw_appearance, paint
from lsms_monai.data.placing import capsule_word, depth_word, level_word
from lsms_monai.data.scan import Scanner

DIAMETERS_MM = {(12.0, 60.0): 0.84, (6.0, 14.0): 0.1, (60.0, 110.0): 0.06}  # range -> share of lesions
GAP_MM = 4.0  # between two lesions
CAPSULE_MM = 1.0  # between a lesion and the liver's edge
LOBE_MARGIN_MM = 7.0  # between a lesion and the plane between the lobes, unless it is to lie across it
ACROSS_RATE, CLOSE_RATE = 0.1, 0.35  # of lesions that may lie across that plane, that lie close to the edge
NUM_VOXELS = 3  # a lesion has at least
SEEN_RATIO = 5.0  # of signal to noise, from which the eye finds something for certain (Rose, J Opt Soc Am 38:196, 1948)


class Liver:
    """A liver that lesions are placed in, and how much room each of its voxels has left.

    Args:
        body: the body; painting changes its HU.
        grid: x, y and z in mm of every voxel.
        spacing: voxel size in mm.
        avoid: mask of places where no lesion may come near.
        lobe_margin_mm: distance from the plane between the lobes beyond which a side can be told.
    """

    def __init__(
        self,
        body: Anatomy,
        grid: Grid,
        spacing: Sequence[float],
        *,
        avoid: np.ndarray | None = None,
        lobe_margin_mm: float = LOBE_MARGIN_MM,
    ) -> None:
        self.body, self.grid, self.spacing, self.lobe_margin_mm = body, grid, spacing, lobe_margin_mm
        self.mask = body.organs == LIVER
        self.edge_mm = self._distance(self.mask)
        self.room_mm = self.edge_mm - CAPSULE_MM
        if avoid is not None and avoid.any():
            self.room_mm = np.minimum(self.room_mm, self._distance(~avoid) - GAP_MM)

    def find_place(self, generator: Generator, radius: float) -> tuple[list[float], float] | None:
        """Draw a centre in mm where a lesion of about that radius fits, and the radius; None if there is no room."""
        room = self.room_mm
        if generator.random() > ACROSS_RATE:
            room = np.minimum(room, np.abs(self.body.lobe_mm) - self.lobe_margin_mm)
        lobe = generator.choice((-1, 1))
        for side in (lobe, -lobe):
            free = room * (self.body.lobe_mm * side > 0)
            fits = min(radius, float(free.max()) / 1.25)
            if fits >= min(radius, 5.0):
                break
        else:
            return None
        places = free >= 1.2 * fits
        close = places & (free <= 1.4 * fits)
        indices = np.argwhere(close if generator.random() < CLOSE_RATE and close.any() else places)
        index = indices[generator.integers(len(indices))]
        return [float(axis.flat[i]) for axis, i in zip(self.grid, index, strict=True)], fits

    def take(self, centre: Sequence[float], radius: float) -> None:
        """Leave no room where a lesion now is."""
        apart = np.sqrt(sum(np.square(axis - c) for axis, c in zip(self.grid, centre, strict=True)))
        self.room_mm = np.minimum(self.room_mm, apart - 1.3 * radius - GAP_MM - max(self.spacing[:2]))

    def box(self, centre: Sequence[float], radius: float) -> tuple[slice, ...]:
        """Slices that hold a lesion and its margin."""
        reach = REACH * radius + 4
        return tuple(
            slice(*np.searchsorted(axis.ravel(), (c - reach, c + reach)))
            for axis, c in zip(self.grid, centre, strict=True)
        )

    def describe(self, value: int, box: tuple[slice, ...], mask: np.ndarray, kind: str, hu: float) -> LesionAttributes:
        """Say what a lesion is whose mask lies in a box."""
        lobe_mm, depth_mm, edge_mm = (
            np.broadcast_to(array, self.mask.shape)[box][mask]
            for array in (self.body.lobe_mm, self.body.depth_mm, self.edge_mm)
        )
        side = "left" if lobe_mm.min() > self.lobe_margin_mm / 2 else None
        depth = float(depth_mm.mean()) / max(float(np.ptp(self.body.depth_mm[self.mask])), 1.0)
        pixel_mm = self.spacing[:2]
        centre = [
            float(axis.ravel()[part][i].mean()) for axis, part, i in zip(self.grid, box, mask.nonzero(), strict=True)
        ]
        return LesionAttributes(
            value=value,
            side="right" if lobe_mm.max() < -self.lobe_margin_mm / 2 else side,
            kind=kind,
            hu=round(hu, 1),
            diameter_mm=round(round_diameter(mask, math.prod(pixel_mm)), 1),
            longest_mm=round(longest_diameter(mask, np.diag((*pixel_mm, 1.0))[:, :2]), 1),
            centroid_mm=(-round(centre[0], 1), -round(centre[1], 1), round(centre[2], 1)),
            depth=depth_word(depth),
            capsule=capsule_word(float(edge_mm.min())),
            level=self._level(centre[2]),
        )

    def _level(self, z_mm: float) -> str | None:
        """Upper or lower part of the liver; a slice is its own world and has none."""
        heights = self.grid[2].ravel()[self.mask.any(axis=(0, 1))]
        if self.mask.shape[2] == 1:
            return None
        return level_word((z_mm - (heights[0] + heights[-1]) / 2) / max(float(heights[-1] - heights[0]), 1.0))

    def _distance(self, mask: np.ndarray) -> np.ndarray:
        """Distance in mm of each voxel in a mask to what is not in it; in a slice, within the slice."""
        distance = np.zeros(mask.shape, np.float32)
        box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
        axes = (0, 1) if mask.shape[2] == 1 else (0, 1, 2)
        inside = np.pad(mask[box].squeeze(2) if len(axes) == 2 else mask[box], 1)
        found = ndimage.distance_transform_edt(inside, sampling=[self.spacing[axis] for axis in axes])
        distance[box] = found[(slice(1, -1),) * len(axes)].reshape(mask[box].shape)
        return distance


def place_lesions(
    generator: Generator,
    body: Anatomy,
    grid: Grid,
    spacing: Sequence[float],
    num_lesions: int,
    *,
    scanner: Scanner,
    avoid: np.ndarray | None = None,
    noise: np.ndarray | None = None,
    lobe_margin_mm: float = LOBE_MARGIN_MM,
) -> tuple[np.ndarray, list[LesionAttributes]]:
    """Paint lesions into a liver, apart from each other, none that the noise would hide or whose bright rim it would.

    Args:
        generator: the only source of randomness.
        body: the body; its HU are changed.
        grid: x, y and z in mm of every voxel, three arrays that broadcast to (W, H, D), in LPS order.
        spacing: voxel size in mm.
        num_lesions: how many to place; fewer are placed where the liver has no room, or where one could not be seen.
        scanner: what is yet to be done to the image, or its noise alone if it has been scanned already.
        avoid: mask (W, H, D) of places where no lesion may come near.
        noise: noise of a real image in HU (W, H, D), which a lesion is to have, too.
        lobe_margin_mm: distance from the plane between the lobes beyond which a side can be told.

    Returns:
        Instance map (W, H, D) uint8 and the attributes of each lesion, its HU as the scanner blurs them.
    """
    labels = np.zeros(body.hu.shape, np.uint8)
    lesions: list[LesionAttributes] = []
    if num_lesions == 0 or not (body.organs == LIVER).any():
        return labels, lesions
    liver = Liver(body, grid, spacing, avoid=avoid, lobe_margin_mm=lobe_margin_mm)
    for radius in sorted(_radii(generator, num_lesions), reverse=True):
        place = liver.find_place(generator, radius)
        if place is None:
            continue
        centre, radius = place
        look = draw_appearance(generator, body.liver_hu, radius)
        box = liver.box(centre, look.radius)
        offsets = np.ix_(*(axis.ravel()[part] - c for axis, part, c in zip(grid, box, centre, strict=True)))
        there = None if noise is None else noise[box]
        before = body.hu[box].copy()
        mask = paint(generator, body.hu[box], offsets, look, spacing, within=liver.mask[box], noise=there)
        change = scanner.blurred((body.hu[box] - before) * mask, spacing)
        if mask.sum() < NUM_VOXELS or not _is_seen(look, change, scanner):
            body.hu[box] = before
            continue
        labels[box][mask] = len(lesions) + 1
        seen = scanner.blurred(body.hu[box] if there is None else body.hu[box] - there, spacing)
        inner = seen[core(depth_in_slice(mask))]
        lesions.append(liver.describe(len(lesions) + 1, box, mask, look.kind, float(inner.mean())))
        liver.take(centre, radius)
    return labels, lesions


def _is_seen(look: Appearance, change: np.ndarray, scanner: Scanner) -> bool:
    """Whether the eye finds a lesion, and its bright rim where it is to have one, in what a scanner shows of it."""
    parts = [change] if look.rim_hu is None else [change, np.maximum(change, 0)]
    return all(scanner.signal_to_noise(part) >= SEEN_RATIO for part in parts)


def _radii(generator: Generator, number: int) -> list[float]:
    ranges = list(DIAMETERS_MM)
    drawn = generator.choice(len(ranges), size=number, p=list(DIAMETERS_MM.values()))
    return [float(np.exp(generator.uniform(*np.log(ranges[i])))) / 2 for i in drawn]
