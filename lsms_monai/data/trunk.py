# SPDX-License-Identifier: Apache-2.0
"""What the chest, the abdomen and the pelvis share: table, arms, skin, fat, muscle, ribs, spine, bowel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsms_monai.data.body import BONE, BOWEL, HEART, MUSCLE, VESSEL, Canvas, Tissue

ARMS_DOWN_RATE = 0.15


@dataclass
class Trunk:
    """The wall of a body.

    Args:
        size: scale of the skeleton, 1 for the average adult.
        radius: radius of each voxel, 1 on the wall of the cavity.
        outside_mm: distance to the inner side of the muscles without those of the flanks, negative inside.
        depth: half the depth of the cavity in mm.
        muscle: thickness of the muscles in mm.
        fat: thickness of the fat beneath the skin in mm.
    """

    size: float
    radius: np.ndarray
    outside_mm: np.ndarray
    depth: float
    muscle: float
    fat: float

    @property
    def cavity(self) -> np.ndarray:
        """Mask of the cavity."""
        return self.radius < 1


def draw_trunk(canvas: Canvas, tissue: Tissue, width: float, depth: float, flank: float = 0.0) -> Trunk:
    """Paint table, arms, skin, fat and muscle of a slim to an obese person; the cavity is fat.

    Args:
        canvas: where to paint.
        tissue: HU of the patient.
        width: half the width of an average cavity in mm.
        depth: half its depth in mm.
        flank: by how many mm the oblique muscles of the flanks thicken the wall at most.
    """
    draw = canvas.generator
    size = float(np.clip(draw.normal(1, 0.06), 0.86, 1.15))
    obesity = float(draw.beta(1.3, 2.2))  # 0 slim, 1 obese
    width, depth = np.array((width, depth)) * size * draw.uniform(0.95, 1.05, 2) + 16 * obesity
    muscle = float(draw.uniform(8, 16) * size)
    fat = float(4 + 44 * obesity * draw.uniform(0.7, 1.1))
    x, y = canvas.p[:2]
    u, v = np.square(x * np.float32(1 / width)), np.square(y * np.float32(1 / depth))
    radius = np.sqrt(np.sqrt(u * u + v * v + np.float32(1.2) * u * v)) + np.float32(1e-3)
    outside_mm = np.sqrt(x * x + y * y) * (1 - 1 / radius)
    flank_mm = np.float32(draw.uniform(0, flank)) * np.square(x * x / (x * x + y * y + 1))
    radius = radius / (1 - flank_mm * radius / (np.sqrt(x * x + y * y) + 1))
    body = Trunk(size, radius, outside_mm, float(depth), muscle, fat)
    draw_table(canvas, depth + muscle + fat + 3)
    if draw.random() < ARMS_DOWN_RATE:
        _arms(canvas, tissue, width + muscle + fat)
    canvas.paint(outside_mm < muscle + fat, -20)
    canvas.paint(outside_mm < muscle + fat - 2, tissue.fat)
    canvas.paint(outside_mm < muscle, tissue.muscle, MUSCLE)
    for share in draw.uniform((0.2, 0.5), (0.5, 0.8)):  # fat between the muscles of the flanks
        layer = np.abs(outside_mm - muscle + share * (muscle + flank_mm)) < draw.uniform(0.2, 1.2)
        canvas.paint(layer & (flank_mm > 4), tissue.fat + 30)
    canvas.paint(body.cavity, tissue.fat + draw.uniform(0, 10))
    return body


def draw_table(canvas: Canvas, y: float) -> None:
    """Paint the shell of a curved table with its padding under a body whose back is at `y`."""
    draw = canvas.generator
    bend, thick = draw.uniform(0, 1 / 900), draw.uniform(2, 4)
    box = canvas.box((-400, y - 45, -1e4), (400, y + 45, 1e4))
    x, height = (
        canvas.grid[0][box[0]],
        canvas.grid[1][:, box[1]] - canvas.shift[1] - np.float32(y + draw.uniform(4, 14)),
    )
    below = height + np.square(x) * np.float32(bend)
    shape = canvas.hu[box].shape
    canvas.paint(np.broadcast_to((below > 0) & (below < 25), shape), draw.uniform(-990, -880), box=box)
    shell = (np.abs(below) < thick / 2) | (np.abs(below - 25) < thick / 2)
    canvas.paint(np.broadcast_to(shell, shape), draw.uniform(-350, 0), box=box)


def _arms(canvas: Canvas, tissue: Tissue, edge: float) -> None:
    """Paint an arm on either side of a body whose edge is at x = `edge`."""
    draw = canvas.generator
    for side in (-1, 1):
        axes = draw.uniform((30, 32, 400), (44, 48, 500))
        centre = np.array((side * (edge + axes[0] + draw.uniform(0, 8)), draw.uniform(-20, 45), 0))
        canvas.blob(centre, axes, tissue.fat)
        canvas.blob(centre, axes - draw.uniform(4, 12), tissue.muscle, MUSCLE)
        canvas.shell(centre, (11, 11, 500), 4.5, (draw.uniform(700, 1200), 80), BONE)


def draw_ribs(canvas: Canvas, body: Trunk) -> None:
    """Paint ribs that slope down to the front in the muscle of the wall."""
    draw = canvas.generator
    ring = np.flatnonzero((body.outside_mm > 0.1 * body.muscle) & (body.outside_mm < 0.7 * body.muscle))
    x, y = canvas.p[0].ravel()[ring], canvas.p[1].ravel()[ring]
    z = canvas.grid[2].ravel()[ring % canvas.grid[2].size]
    hu, organs = canvas.hu.ravel(), canvas.organs.ravel()
    theta = np.abs(np.arctan2(x, -y))
    height = np.mod(z + 50 * theta + np.float32(draw.uniform(0, 28)), 28)
    where = (height < 9) & (theta > 0.4) & (theta < 2.75)
    bone = draw.uniform(280, 550)
    hu[ring[where]] = np.where(theta[where] < 0.8, np.float32(120), np.float32(bone))  # cartilage in front
    organs[ring[where]] = BONE


def draw_spine(canvas: Canvas, tissue: Tissue, size: float, y: float) -> None:
    """Paint a vertebra whose body is centred at `y`, its canal and arch, and the muscles of the back."""
    draw = canvas.generator
    for side in (-1, 1):
        canvas.blob((side * 28 * size, y + 30, 0), (26 * size, 20, 1e4), tissue.muscle, MUSCLE)
    marrow = draw.uniform(90, 260)
    canvas.blob((0, y + 25, 0), (19, 15, 1e4), marrow + 200, BONE)
    canvas.blob((0, y + 42, 0), (4.5, 13, 1e4), marrow + 200, BONE)
    if draw.random() < 0.5:
        for side in (-1, 1):
            canvas.blob((side * 28, y + 22, 0), (16, 5, 1e4), marrow + 150, BONE, angle=side * 0.35)
    canvas.blob((0, y + 24, 0), (9.5, 8, 1e4), 25)
    if draw.random() < 0.25:  # between two vertebrae
        canvas.blob((0, y, 0), (21 * size, 16.5 * size, 1e4), draw.uniform(70, 110))
    else:
        canvas.shell((0, y, 0), (21 * size, 16.5 * size, 1e4), 2, (marrow + 180, marrow), BONE)


def draw_great_vessels(canvas: Canvas, tissue: Tissue, size: float, y: float) -> None:
    """Paint aorta and vena cava in front of a vertebra centred at `y`."""
    draw = canvas.generator
    axes = (*draw.uniform(8, 13, 2), 1e4)
    canvas.blob((13 * size, y - 25 * size, 0), axes, tissue.artery, VESSEL)
    if draw.random() < 0.25:
        canvas.blob((13 * size + axes[0] - 1, y - 25 * size, 0), (2, 4, 8), draw.uniform(350, 900), VESSEL)
    canvas.blob((-22 * size, y - 27, 0), (*draw.uniform(8, 15, 2), 1e4), tissue.cava, VESSEL)


def draw_heart(canvas: Canvas, tissue: Tissue, centre: np.ndarray, axes: np.ndarray, within: np.ndarray) -> None:
    """Paint a heart muscle around two ventricles and an atrium, whose blood is brighter or as bright."""
    draw = canvas.generator
    low, high = sorted((tissue.vessel, tissue.artery))
    angle, blood = draw.uniform(0.3, 0.9), draw.uniform(low, high, 3)
    muscle = tissue.muscle + draw.uniform(0.2, 0.7) * (tissue.vessel - tissue.muscle)
    canvas.blob(centre, axes, muscle, HEART, angle=angle, within=within)
    places = draw.normal(((0.35, -0.1, 0), (-0.4, -0.25, 0), (-0.3, 0.35, 0)), 0.06) * axes
    for place, share, hu in zip(places, draw.uniform(0.3, 0.7, (3, 3)), blood, strict=True):
        canvas.blob(centre + place, axes * share, hu, HEART, angle=angle, within=within)


def draw_bowel(canvas: Canvas, low: tuple, high: tuple, count: int, within: np.ndarray) -> None:
    """Paint loops of bowel with fluid, stool, contrast or air, centred between two corners in mm."""
    draw = canvas.generator
    for _ in range(count):
        centre, axes, angle = draw.uniform(low, high), draw.uniform(11, 26, 3), draw.uniform(0, 3)
        box, radius = canvas.ellipsoid(centre, axes, angle)
        if not radius.size:
            continue
        canvas.paint((radius < 1) & within[box], draw.uniform(35, 90), BOWEL, box)
        hu = float(
            draw.choice([draw.uniform(0, 40), draw.uniform(-120, 60), draw.uniform(120, 350)], p=[0.6, 0.3, 0.1])
        )
        lumen = (radius < 0.72) & within[box]
        canvas.paint(lumen, hu, BOWEL, box)
        if draw.random() < 0.35:
            canvas.paint(lumen & (canvas.local(box)[1] < centre[1] - draw.uniform(-8, 6)), -850, BOWEL, box)
