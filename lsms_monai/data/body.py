# SPDX-License-Identifier: Apache-2.0
"""What every synthetic body is drawn with: organ codes, the HU of a contrast phase, and a canvas in millimetres.

Coordinates are LPS: x to the patient's left, y to the back, z to the head; the origin is the middle of the body.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

LIVER, SPLEEN, KIDNEY, STOMACH, GALLBLADDER, VESSEL, BONE, LUNG, HEART, BLADDER, BOWEL, MUSCLE = range(1, 13)
AIR_HU, FAT_HU = -1000.0, -100.0
BEND_MM = 8.0  # how far any point of the body is moved at most, beside shift and turn

Grid = Sequence[np.ndarray]
Box = tuple[slice, slice, slice]
NOWHERE: Box = (slice(0, 0), slice(0, 0), slice(0, 0))

# HU of liver, its vessels, artery, vena cava, spleen, kidney and pancreas, from the weakest contrast to the strongest.
PHASES: dict[str, tuple[tuple[float, float], ...]] = {
    "none": ((48, 66), (36, 46), (36, 48), (36, 46), (42, 54), (28, 40), (32, 46)),
    "arterial": ((58, 84), (62, 118), (210, 380), (60, 130), (95, 165), (130, 210), (80, 125)),
    "portal venous": ((88, 130), (122, 182), (118, 190), (105, 170), (98, 150), (140, 205), (75, 110)),
    "delayed": ((74, 104), (88, 124), (84, 124), (84, 122), (78, 108), (110, 170), (60, 90)),
}
PHASE_RATES = (0.1, 0.13, 0.65, 0.12)
STEATOSIS_RATE, STEATOSIS_HU = 0.15, (30.0, 60.0)


@dataclass
class Tissue:
    """HU of one patient's organs in one contrast phase; `vessel` is the veins within the liver."""

    phase: str
    liver: float
    vessel: float
    artery: float
    cava: float
    spleen: float
    kidney: float
    pancreas: float
    muscle: float
    fat: float


def draw_tissue(generator: Generator) -> Tissue:
    """Draw a contrast phase and HU that rise and fall together with the strength of the contrast."""
    phase = str(generator.choice(list(PHASES), p=PHASE_RATES))
    strength = generator.random()
    shares = 0.6 * strength + 0.4 * generator.random(7)
    hu = [float(low + (high - low) * share) for (low, high), share in zip(PHASES[phase], shares, strict=True)]
    if generator.random() < STEATOSIS_RATE:
        hu[0] = float(generator.uniform(*STEATOSIS_HU))
    muscle_and_fat = generator.uniform((42, FAT_HU - 12), (68, FAT_HU + 8))
    return Tissue(phase, *hu, *muscle_and_fat.tolist())


def centred_grid(shape: Sequence[int], spacing: Sequence[float], middle_mm: float = 0.0) -> Grid:
    """Make the LPS coordinates of voxels, float32, as three arrays that broadcast to (W, H, D).

    Args:
        shape: voxels (W, H, D).
        spacing: voxel size in mm.
        middle_mm: height of the middle slice; the middle of the axial plane is 0.
    """
    x, y, z = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True))
    return np.ix_(*(axis.astype(np.float32) for axis in (x, y, z + middle_mm)))


def smooth_field(generator: Generator, grid: Grid, step_mm: float) -> np.ndarray:
    """Draw a field between -1 and 1 that varies over some `step_mm`, float32 (W, H, D)."""
    weights = []
    for axis in grid:
        points = axis.astype(np.float32).reshape(-1, 1)
        knots = np.arange(points[0, 0] - step_mm, points[-1, 0] + 2 * step_mm, step_mm, dtype=np.float32)
        near = np.exp(-2 * np.square((points - knots) / np.float32(step_mm)))
        weights.append(near / near.sum(1, keepdims=True))
    wx, wy, wz = weights
    knot_values = generator.random((wx.shape[1], wy.shape[1], wz.shape[1]), np.float32) * 2 - 1
    slices = np.moveaxis(knot_values @ wz.T, -1, 0)  # (D, knots in x, knots in y)
    return np.ascontiguousarray(np.moveaxis(wx @ slices @ wy.T, 0, -1))


def squared_radius(p: Grid, centre: ArrayLike, axes: ArrayLike, angle: float = 0.0) -> np.ndarray:
    """Squared radius of each point in units of an ellipsoid turned by `angle` in the axial plane: below 1 is inside."""
    x, y, z = (axis - np.float32(c) for axis, c in zip(p, np.asarray(centre), strict=True))
    if angle:
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        x, y = cos * x + sin * y, cos * y - sin * x
    a, b, c = (np.float32(1 / axis) for axis in np.asarray(axes))
    return np.square(x * a) + np.square(y * b) + np.square(z * c)


class Canvas:
    """HU and organ codes of a body that is shifted, turned and bent a little, so that no two have one shape.

    Args:
        generator: the only source of randomness.
        grid: x, y and z in mm of every voxel, three arrays that broadcast to (W, H, D).
    """

    def __init__(self, generator: Generator, grid: Grid) -> None:
        self.generator = generator
        self.grid = tuple(axis.astype(np.float32) for axis in grid)
        shape = np.broadcast_shapes(*(axis.shape for axis in grid))
        self.hu = np.full(shape, AIR_HU, np.float32)
        self.organs = np.zeros(shape, np.uint8)
        self._axes = [axis.ravel().tolist() for axis in self.grid]
        angle = float(generator.normal(0, 0.06))
        self._turn = math.cos(angle), math.sin(angle)
        self.shift = generator.uniform(-10, 10, 2).tolist()
        cos, sin = (np.float32(value) for value in self._turn)
        x, y = (axis - np.float32(shift) for axis, shift in zip(self.grid, self.shift, strict=False))
        bends = [BEND_MM * smooth_field(generator, self.grid, 45) for _ in range(2)]
        self.p = (cos * x + sin * y + bends[0], cos * y - sin * x + bends[1], self.grid[2])

    def box(self, low: Sequence[float], high: Sequence[float]) -> Box:
        """Slices that hold every voxel between two corners in mm of the bent body, `NOWHERE` if there is none."""
        (left, front, bottom), (right, back, top) = low, high
        xs, ys, zs = self._axes
        third = slice(bisect_left(zs, bottom), bisect_left(zs, top))
        if third.start >= third.stop:  # most things lie above or below a slice
            return NOWHERE
        cos, sin = self._turn
        x, y, a, b = (left + right) / 2, (front + back) / 2, (right - left) / 2, (back - front) / 2
        x, y = cos * x - sin * y + self.shift[0], cos * y + sin * x + self.shift[1]
        cos, sin = abs(cos), abs(sin)
        a, b = a * cos + b * sin + BEND_MM, b * cos + a * sin + BEND_MM
        first = slice(bisect_left(xs, x - a), bisect_left(xs, x + a))
        second = slice(bisect_left(ys, y - b), bisect_left(ys, y + b))
        return NOWHERE if first.start >= first.stop or second.start >= second.stop else (first, second, third)

    def local(self, box: Box) -> Grid:
        """Coordinates of the voxels of a box."""
        return self.p[0][box], self.p[1][box], self.p[2][:, :, box[2]]

    def ellipsoid(self, centre: ArrayLike, axes: ArrayLike, angle: float = 0.0) -> tuple[Box, np.ndarray]:
        """Box about an ellipsoid and the squared radius of its voxels."""
        (x, y, z), (a, b, c) = np.asarray(centre).tolist(), np.asarray(axes).tolist()
        cos, sin = math.cos(angle), math.sin(angle)
        a, b = math.hypot(a * cos, b * sin), math.hypot(a * sin, b * cos)
        box = self.box((x - a, y - b, z - c), (x + a, y + b, z + c))
        if box == NOWHERE:
            return box, np.empty((0, 0, 0), np.float32)
        return box, squared_radius(self.local(box), centre, axes, angle)

    def paint(self, where: np.ndarray, hu: float, organ: int = 0, box: Box | None = None) -> None:
        """Set HU and organ code of the voxels in a mask of the whole canvas or of a box."""
        part: Box | tuple = box or (...,)
        np.copyto(self.hu[part], np.float32(hu), where=where)
        np.copyto(self.organs[part], np.uint8(organ), where=where)

    def blob(
        self,
        centre: ArrayLike,
        axes: ArrayLike,
        hu: float,
        organ: int = 0,
        *,
        angle: float = 0.0,
        within: np.ndarray | None = None,
    ) -> None:
        """Paint an ellipsoid, of which only what lies in the mask `within` (W, H, D)."""
        box, radius = self.ellipsoid(centre, axes, angle)
        if not radius.size:
            return
        where = radius < 1
        self.paint(where if within is None else where & within[box], hu, organ, box)

    def shell(
        self,
        centre: ArrayLike,
        axes: ArrayLike,
        wall_mm: float,
        hu: tuple[float, float],
        organ: int,
        angle: float = 0.0,
    ) -> None:
        """Paint an ellipsoid with a wall: HU of the wall, then of what it holds."""
        self.blob(centre, axes, hu[0], organ, angle=angle)
        self.blob(centre, np.maximum(np.asarray(axes) - wall_mm, 0.5), hu[1], organ, angle=angle)

    def tube(self, ends: Sequence[np.ndarray], radius: float, hu: float, organ: int, within: np.ndarray) -> None:
        """Paint a tube that tapers to half its radius, of which only what lies in the mask `within`."""
        start, end = ends
        box = self.box((np.minimum(start, end) - radius).tolist(), (np.maximum(start, end) + radius).tolist())
        if box == NOWHERE:
            return
        along = (end - start).astype(np.float32)
        offsets = [axis - np.float32(s) for axis, s in zip(self.local(box), start, strict=True)]
        t = sum(offset * a for offset, a in zip(offsets, along, strict=True)) / np.float32(max(along @ along, 1))
        t = np.clip(t, 0, 1)
        square = sum(np.square(offset - t * a) for offset, a in zip(offsets, along, strict=True))
        tapered = np.square(np.float32(radius) * (1 - np.float32(0.5) * t))
        self.paint((square < tapered) & within[box], hu, organ, box)
