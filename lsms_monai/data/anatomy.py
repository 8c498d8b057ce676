# SPDX-License-Identifier: Apache-2.0
"""An upper abdomen in HU, defined in millimetres in 3-D and sampled on any grid.

Coordinates are LPS: x to the patient's left, y to the back, z to the head; the origin is the middle of the body at the
height of the liver's middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

LIVER, SPLEEN, KIDNEY, STOMACH, GALLBLADDER, VESSEL, BONE, LUNG = range(1, 9)
AIR_HU, FAT_HU, MUSCLE_HU = -1000.0, -100.0, 58.0

Grid = Sequence[np.ndarray]


@dataclass
class Anatomy:
    """One abdomen sampled on a grid (W, H, D).

    Args:
        hu: noise-free HU, float32.
        organs: uint8 map of organ codes, 0 elsewhere.
        lobe_mm: distance to the plane between the hepatic lobes, positive on the patient's left.
        depth_mm: distance to the coronal plane through the liver's middle, positive to the back.
        liver_hu: HU of the parenchyma.
    """

    hu: np.ndarray
    organs: np.ndarray
    lobe_mm: np.ndarray
    depth_mm: np.ndarray
    liver_hu: float

    def paint(self, where: np.ndarray, hu: float, organ: int = 0) -> None:
        """Set HU and organ code of the voxels in a mask."""
        np.copyto(self.hu, np.float32(hu), where=where)
        np.copyto(self.organs, np.uint8(organ), where=where)


def build_anatomy(generator: Generator, grid: Grid) -> Anatomy:
    """Draw one random abdomen.

    Args:
        generator: the only source of randomness.
        grid: x, y and z in mm of every voxel, three arrays that broadcast to (W, H, D).
    """
    shape = np.broadcast_shapes(*(axis.shape for axis in grid))
    table_y = grid[1]
    p = _deformed(generator, grid)
    size = generator.uniform(0.9, 1.07)
    spine_y = float(generator.uniform(38, 44) * size)
    body = Anatomy(
        hu=np.full(shape, AIR_HU, np.float32),
        organs=np.zeros(shape, np.uint8),
        lobe_mm=np.zeros(shape, np.float32),
        depth_mm=np.zeros(shape, np.float32),
        liver_hu=float(generator.uniform(88, 130)),
    )
    body.paint(np.broadcast_to(np.abs(table_y - 122 * size) < 2.5, shape), -150)
    cavity = _trunk(generator, body, p, size)
    below_diaphragm = p[2] + 70 * cavity**2 < 85
    inside = cavity < 1
    body.paint(inside & ~below_diaphragm, -850, LUNG)
    inside &= below_diaphragm
    _left_organs(generator, body, p, inside, size)
    _liver(generator, body, p, inside & (cavity < 0.95), size, spine_y)
    _retroperitoneum(generator, body, p, size, spine_y)
    rows = np.count_nonzero(body.organs == LIVER, axis=(0, 2))  # liver voxels at each depth
    if rows.any():
        y = grid[1].astype(np.float32)
        body.depth_mm = np.broadcast_to(y - np.float32(np.average(y.ravel(), weights=rows)), shape)
    return body


def ellipsoid(p: Grid, centre: ArrayLike, axes: ArrayLike, angle: float = 0.0) -> np.ndarray:
    """Squared radius of each voxel in units of an ellipsoid turned by `angle` in the axial plane: below 1 is inside."""
    x, y, z = (axis - np.float32(c) for axis, c in zip(p, np.asarray(centre), strict=True))
    if angle:
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        x, y = cos * x + sin * y, cos * y - sin * x
    a, b, c = (np.float32(1 / axis) for axis in np.asarray(axes))
    return np.square(x * a) + np.square(y * b) + np.square(z * c)


def _deformed(generator: Generator, grid: Grid) -> Grid:
    """Shift, turn and bend the grid a little, so that no two bodies have one shape."""
    angle = generator.uniform(-0.07, 0.07)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y, z = (axis.astype(np.float32) for axis in grid)
    x, y = x - np.float32(generator.uniform(-8, 8)), y - np.float32(generator.uniform(-8, 8))
    x, y = cos * x + sin * y, cos * y - sin * x
    bends = []
    for _ in range(3):
        wave = generator.normal(0, 1, 3) / generator.uniform(18, 35)
        phase = generator.uniform(0, 2 * np.pi)
        bends.append(np.sin(sum(np.float32(k) * axis for k, axis in zip(wave, (x, y, z), strict=True)) + phase))
    gains = generator.uniform(-2.5, 2.5, (2, 3)).astype(np.float32)
    return (
        x + sum(gain * bend for gain, bend in zip(gains[0], bends, strict=True)),
        y + sum(gain * bend for gain, bend in zip(gains[1], bends, strict=True)),
        np.broadcast_to(z, np.broadcast_shapes(x.shape, z.shape)),
    )


def _trunk(generator: Generator, body: Anatomy, p: Grid, size: float) -> np.ndarray:
    """Paint skin, fat, muscle and ribs; return the cavity's squared radius, below 1 inside."""
    width, depth = generator.uniform(132, 146) * size, generator.uniform(92, 108) * size
    fat, muscle = generator.uniform(6, 24), generator.uniform(9, 15)

    def radius(margin: float) -> np.ndarray:
        u = np.square(p[0] * np.float32(1 / (width - margin)))
        v = np.square(p[1] * np.float32(1 / (depth - 0.8 * margin)))
        return u + v - np.float32(0.35) * u * v

    cavity = radius(fat + muscle)
    body.paint(radius(0) < 1, -20)
    body.paint(radius(2) < 1, FAT_HU + generator.uniform(-8, 8))
    body.paint(radius(fat) < 1, MUSCLE_HU + generator.uniform(-8, 8))
    theta = np.abs(np.arctan2(p[0], -p[1]))
    ring = (cavity > 1) & (radius(fat + 0.35 * muscle) < 1) & (theta > 0.55) & (theta < 2.75)
    ribs = np.mod(p[2] + 50 * theta + np.float32(generator.uniform(0, 28)), 28) < 8
    body.paint(ring & ribs, generator.uniform(280, 550), BONE)
    body.paint(cavity < 1, FAT_HU + generator.uniform(-5, 12))
    return cavity


def _left_organs(generator: Generator, body: Anatomy, p: Grid, inside: np.ndarray, size: float) -> None:
    """Paint bowel, pancreas, stomach with fluid and air, and the spleen."""
    for _ in range(5):
        centre = generator.uniform((-50, -60, -70), (90, 10, -30)) * size
        loop = inside & (ellipsoid(p, centre, generator.uniform(12, 24, 3), generator.uniform(0, 3)) < 1)
        body.paint(loop, generator.choice([generator.uniform(15, 60), -700], p=[0.8, 0.2]))
    pancreas = ellipsoid(p, (18 * size, -2, -8), (34, 10, 14), generator.uniform(-0.5, 0.1))
    body.paint(inside & (pancreas < 1), generator.uniform(75, 110))
    centre = generator.uniform((48, -22, 10), (64, -4, 30)) * size
    stomach = ellipsoid(p, centre, generator.uniform((30, 24, 45), (42, 34, 60)) * size, generator.uniform(-0.5, 0.5))
    body.paint(inside & (stomach < 1), generator.uniform(45, 80), STOMACH)
    lumen = inside & (stomach < 0.78)
    body.paint(lumen, generator.uniform(5, 40), STOMACH)
    body.paint(lumen & (p[1] < centre[1] - generator.uniform(0, 20)), -900, STOMACH)
    centre = generator.uniform((76, 12, 5), (88, 34, 25)) * size
    spleen = ellipsoid(p, centre, generator.uniform((20, 36, 40), (30, 50, 60)) * size, generator.uniform(-0.4, 0.2))
    body.paint(inside & (spleen < 1), body.liver_hu + generator.uniform(-10, 25), SPLEEN)


def _liver(generator: Generator, body: Anatomy, p: Grid, inside: np.ndarray, size: float, spine_y: float) -> None:
    """Paint both lobes, the fissure, the gallbladder and the vessels; set the plane between the lobes."""
    cava = np.array([-22 * size, spine_y - 28, 0])
    angle = generator.uniform(0.1, 0.5)
    front = np.array([-np.sin(angle), -np.cos(angle), 0])
    body.lobe_mm = (p[0] - np.float32(cava[0])) * np.float32(-front[1]) + (p[1] - np.float32(cava[1])) * np.float32(
        front[0]
    )
    right = ellipsoid(
        p, generator.uniform((-62, -8, -8), (-50, 8, 4)) * size, generator.uniform((56, 62, 80), (68, 76, 95)) * size
    )
    left = ellipsoid(
        p,
        generator.uniform((4, -48, 4), (20, -38, 14)) * size,
        generator.uniform((58, 27, 55), (80, 37, 75)) * size,
        generator.uniform(-0.05, 0.25),
    )
    mix = np.clip(0.5 + (left - right), 0, 1)
    shape = left + (right - left) * mix - np.float32(0.5) * mix * (1 - mix)
    body.paint(inside & (shape < 1), body.liver_hu, LIVER)
    _vessels(generator, body, p, cava, front, size)
    if generator.random() < 0.7:
        fissure = ellipsoid(p, generator.uniform((8, -26, -20), (20, -14, 20)) * size, (3.5, 15, 60), 0.2)
        body.paint(fissure < 1, -70)
    if generator.random() < 0.6:
        centre = cava + front * generator.uniform(32, 46) * size + (0, 0, -48)
        gallbladder = ellipsoid(p, centre, generator.uniform((7, 19, 26), (10, 26, 40)), -angle)
        body.paint((gallbladder < 1) & inside, generator.uniform(2, 15), GALLBLADDER)


def _vessels(generator: Generator, body: Anatomy, p: Grid, cava: np.ndarray, front: np.ndarray, size: float) -> None:
    """Paint hepatic veins (the middle one between the lobes), portal branches and small vessels into the liver."""
    inside = body.organs == LIVER
    if not inside.any():
        return
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(inside))
    local = tuple(axis[box] for axis in p)
    top, hilum = cava + np.array([0, -4, 38]), np.array([-12, 2, -6]) * size
    ends = [np.array([-92, 8, -15]) * size, cava + front * 75 + (0, 0, -15), np.array([38, -46, 0]) * size]
    lines = [(top, end + generator.normal(0, 6, 3), generator.uniform(3.5, 5.5)) for end in ends]
    fork = np.array([-52, -4, 2]) * size + generator.normal(0, 5, 3)
    lines += [(hilum, fork, generator.uniform(4.5, 6.5))]
    lines += [(hilum, np.array([12, -38, 8]) * size + generator.normal(0, 5, 3), generator.uniform(4, 5.5))]
    lines += [(fork, fork + generator.normal(0, 26, 3), generator.uniform(3, 4.5)) for _ in range(4)]
    for _ in range(5):
        start = generator.uniform((-100, -55, -40), (40, 40, 40)) * size
        lines.append((start, start + generator.normal(0, 16, 3), generator.uniform(2, 3.2)))
    where = np.zeros(local[0].shape, bool)
    for start, end, radius in lines:
        where |= _tube(local, start, end, radius)
    hu = min(body.liver_hu + generator.uniform(6, 48), 185)
    body.hu[box][where & inside[box]] = hu


def _tube(p: Grid, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Mask of a tube between two points that tapers to half its radius."""
    along = (end - start).astype(np.float32)
    offsets = [axis - np.float32(s) for axis, s in zip(p, start, strict=True)]
    t = sum(offset * a for offset, a in zip(offsets, along, strict=True)) / np.float32(max(along @ along, 1))
    t = np.clip(t, 0, 1)
    square = sum(np.square(offset - t * a) for offset, a in zip(offsets, along, strict=True))
    return square < np.square(np.float32(radius) * (1 - np.float32(0.5) * t))


def _retroperitoneum(generator: Generator, body: Anatomy, p: Grid, size: float, spine_y: float) -> None:
    """Paint kidneys, spine, back muscles, aorta and vena cava."""
    kidney_hu = generator.uniform(130, 195)
    for side in (-1, 1):
        centre = np.array([side * 56, spine_y + 8, -62 + 8 * side]) * (size, 1, 1) + generator.normal(0, 4, 3)
        kidney = ellipsoid(p, centre, generator.uniform((22, 26, 50), (29, 33, 60)) * size, side * 0.4)
        body.paint(kidney < 1, kidney_hu, KIDNEY)
        sinus = ellipsoid(p, centre - (side * 9, 0, 0), (10, 9, 24), side * 0.4)
        body.paint(sinus < 1, -60)
        back = ellipsoid(p, (side * 27 * size, spine_y + 30, 0), (25 * size, 19, 1e4))
        body.paint(back < 1, MUSCLE_HU)
    bone = generator.uniform(150, 260)
    arch = ellipsoid(p, (0, spine_y + 25, 0), (19, 15, 1e4))
    spinous = ellipsoid(p, (0, spine_y + 44, 0), (4.5, 14, 1e4))
    vertebra = ellipsoid(p, (0, spine_y, 0), (21 * size, 16.5 * size, 1e4))
    body.paint((arch < 1) | (spinous < 1), bone + 200, BONE)
    body.paint(ellipsoid(p, (0, spine_y + 24, 0), (9.5, 8, 1e4)) < 1, 25)
    body.paint(vertebra < 1, bone + 180, BONE)
    body.paint(vertebra < 0.83, bone, BONE)
    blood = min(body.liver_hu + generator.uniform(10, 80), 200)
    aorta = ellipsoid(p, (13 * size, spine_y - 25 * size, 0), (*generator.uniform(9, 13, 2), 1e4))
    body.paint(aorta < 1, blood, VESSEL)
    cava = ellipsoid(p, (-22 * size, spine_y - 27, 0), (*generator.uniform(9, 15, 2), 1e4))
    body.paint(cava < 1, blood - generator.uniform(0, 25), VESSEL)
