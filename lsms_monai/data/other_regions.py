# SPDX-License-Identifier: Apache-2.0
"""Slices of a CT that hold no liver: chest, pelvis and thighs."""

from __future__ import annotations

import numpy as np

from lsms_monai.data.body import AIR_HU, BLADDER, BONE, LUNG, MUSCLE, VESSEL, Canvas, Tissue
from lsms_monai.data.trunk import Trunk, draw_bowel, draw_heart, draw_ribs, draw_spine, draw_table, draw_trunk


def draw_chest(canvas: Canvas, tissue: Tissue) -> None:
    """Paint a chest above the diaphragm, z = 0 at the upper part of the heart."""
    draw = canvas.generator
    body = draw_trunk(canvas, tissue, 122, 82)
    if draw.random() < 0.45:
        _breasts(canvas, tissue, body)
    draw_ribs(canvas, body)
    if draw.random() < 0.6:
        for side in (-1, 1):  # shoulder blades in their muscles
            centre = (side * 100 * body.size, body.depth * 0.72, 0)
            canvas.blob(centre, (50, 17, 1e4), tissue.muscle, MUSCLE, angle=-side * 0.75)
            canvas.blob(centre, (38, 4, 1e4), draw.uniform(250, 500), BONE, angle=-side * 0.75)
    canvas.paint(body.cavity, draw.uniform(-890, -740), LUNG)
    lung = body.cavity
    if draw.random() < 0.15:  # pleural effusion
        canvas.paint(lung & (canvas.p[1] > body.depth * draw.uniform(0.5, 0.8)), draw.uniform(0, 30))
    spine_y = body.depth - 24 * body.size
    lung_vessels = canvas.organs == LUNG
    starts = draw.uniform((-100, -65, -70), (100, 65, 70), (30, 3)) * body.size
    for start in starts:
        ends = start, start + draw.normal(0, 22, 3)
        canvas.tube(ends, draw.uniform(1, 4), draw.uniform(-100, tissue.vessel), LUNG, lung_vessels)
    canvas.blob((6, 6, 0), (36 * body.size, body.depth, 1e4), tissue.fat + 10, within=lung)
    _heart(canvas, tissue, body, spine_y)
    draw_spine(canvas, tissue, body.size, spine_y)


def _heart(canvas: Canvas, tissue: Tissue, body: Trunk, spine_y: float) -> None:
    """Paint the heart with its chambers, the great vessels, trachea and oesophagus."""
    draw, size, height = canvas.generator, body.size, canvas.generator.uniform(-50, 0)
    canvas.blob((-8 * size, -22, height + 80), (16, 17, 60), tissue.artery, VESSEL)
    canvas.blob((18 * size, -28, height + 60), (14, 13, 25), tissue.vessel + 10, VESSEL)
    canvas.blob((-28 * size, -16, height + 90), (9, 10, 90), tissue.cava, VESSEL)
    canvas.blob((22 * size, spine_y - 20, 0), (*draw.uniform(10, 15, 2), 1e4), tissue.artery, VESSEL)
    centre, axes = np.array((24 * size, -26, height)), draw.uniform((52, 38, 52), (68, 52, 66)) * size
    draw_heart(canvas, tissue, centre, axes, body.cavity)
    if height < 40:
        canvas.blob((2, 8, height + 110), (9, 9, 60), AIR_HU + 10)
    canvas.blob((8, spine_y - 24, 0), (8, 6, 1e4), draw.uniform(30, 70))
    canvas.blob((0, -body.depth - 0.4 * body.muscle, 0), (22, 6, 1e4), draw.uniform(180, 350), BONE)


def _breasts(canvas: Canvas, tissue: Tissue, body: Trunk) -> None:
    """Paint breasts of fat and glands on the front of the chest."""
    draw = canvas.generator
    axes = draw.uniform((42, 22, 40), (62, 55, 80))
    outside = body.outside_mm > body.muscle
    for side in (-1, 1):
        centre = np.array((side * 68 * body.size, -body.depth - body.muscle - 0.5 * body.fat, 0))
        canvas.blob(centre, axes, tissue.fat, within=outside)
        glands = centre + draw.normal(0, 8, (draw.integers(0, 6), 3))
        for gland in glands:
            canvas.blob(gland, draw.uniform(5, 15, 3), draw.uniform(-20, 50), within=outside)


def draw_pelvis(canvas: Canvas, tissue: Tissue) -> None:
    """Paint a pelvis from the iliac crests to the hips, z = 0 above the hip joints."""
    draw = canvas.generator
    body = draw_trunk(canvas, tissue, 128, 80, flank=14)
    size, bone = body.size, (draw.uniform(350, 650), draw.uniform(80, 240))
    draw_bowel(canvas, (-80, -65, 0), (80, 15, 70), int(draw.integers(8, 20)), body.radius < 0.9)
    for side in (-1, 1):
        _hip(canvas, tissue, side, size, bone)
    canvas.shell((0, 60 * size, 40), np.array((44, 20, 70)) * size, 3, bone, BONE)
    canvas.blob((0, 84 * size, 40), (3, 14, 60), bone[0], BONE)
    bladder = draw.uniform((20, 16, 20), (52, 42, 45))
    centre = np.array((draw.uniform(-8, 8), -26 * size, -28))
    urine = draw.uniform(100, 700) if tissue.phase == "delayed" and draw.random() < 0.6 else draw.uniform(-2, 14)
    canvas.shell(centre, bladder, draw.uniform(1.5, 5), (tissue.muscle, urine), BLADDER)
    canvas.blob((0, 16 * size, -22), draw.uniform((14, 11, 20), (34, 24, 40)), draw.uniform(45, 110))
    draw_bowel(canvas, (-6, 36, -40), (6, 42, 20), 2, body.cavity)
    for side in (-1, 1):
        vessels = np.array((side * 42, 2, 0)) * size
        canvas.blob(vessels, (6, 6, 1e4), tissue.artery, VESSEL)
        canvas.blob(vessels + np.array((side * 2, 13, 0)), (7, 8, 1e4), tissue.cava, VESSEL)


def _hip(canvas: Canvas, tissue: Tissue, side: int, size: float, bone: tuple[float, float]) -> None:
    """Paint the muscles, the iliac bone, the hip joint and half the pubic bone of one side."""
    turn = side * 0.55
    for centre, axes, angle in (
        ((100, 34, 0), (26, 52, 1e4), turn),  # gluteus medius and minimus
        ((68, 72, -10), (58, 28, 110), -turn),  # gluteus maximus
        ((72, -4, 40), (16, 40, 75), turn),  # iliacus
        ((46, 8, 60), (20, 22, 110), 0.0),  # psoas
        ((58, 12, -55), (26, 30, 42), turn),  # obturator
    ):
        canvas.blob(np.array((side * centre[0], *centre[1:])) * size, axes, tissue.muscle, MUSCLE, angle=angle)
    wing = np.array((side * 86, 22, 55)) * size
    canvas.shell(wing, np.array((9, 50, 75)) * size, 2.5, bone, BONE, turn)
    canvas.shell(np.array((side * 80, 8, -28)) * size, np.array((20, 34, 30)) * size, 3, bone, BONE, turn)
    canvas.blob(np.array((side * 92, 2, -38)) * size, np.full(3, 27 * size), 20)  # the gap of the joint
    canvas.shell(np.array((side * 92, 2, -38)) * size, np.full(3, 24 * size), 2.5, bone, BONE)
    canvas.shell(np.array((side * 118, 10, -50)) * size, np.array((22, 18, 26)) * size, 2.5, bone, BONE)
    canvas.shell(np.array((side * 26, -52, -68)) * size, np.array((32, 9, 16)) * size, 2.5, bone, BONE, -side * 0.3)


def draw_thighs(canvas: Canvas, tissue: Tissue) -> None:
    """Paint two thighs side by side."""
    draw = canvas.generator
    size, obesity = draw.uniform(0.88, 1.12), draw.beta(1.3, 2.2)
    fat, muscle = 4 + 36 * obesity * draw.uniform(0.7, 1.1), draw.uniform(52, 78) * size
    width = fat + muscle
    depth = width * draw.uniform(0.9, 1.15)
    draw_table(canvas, depth + 3)
    gap, bone = draw.uniform(1, 14), (draw.uniform(900, 1300), draw.uniform(-60, 60))
    for side in (-1, 1):
        middle = np.array((side * (width + gap), draw.normal(0, 3), 0))
        canvas.blob(middle, (width, depth, 1e4), -20)
        canvas.blob(middle, (width - 2, depth - 2, 1e4), tissue.fat)
        canvas.blob(middle, (muscle, depth - fat, 1e4), tissue.muscle, MUSCLE)
        _muscle_gaps(canvas, tissue, middle, muscle)
        femur = middle + draw.normal((side * 5, -6, 0), 3)
        radius = draw.uniform(12, 17) * size
        canvas.shell(femur, (radius, radius, 1e4), draw.uniform(3.5, 7), bone, BONE)
        vessels = middle + np.array((-side * 0.45, -0.25, 0)) * muscle
        canvas.blob(vessels, (4.5, 4.5, 1e4), tissue.artery, VESSEL)
        canvas.blob(vessels + np.array((-side * 2, 10, 0)), (5, 6, 1e4), tissue.cava, VESSEL)


def _muscle_gaps(canvas: Canvas, tissue: Tissue, middle: np.ndarray, muscle: float) -> None:
    """Paint the fat between the muscles of a thigh and give some muscles HU of their own."""
    draw = canvas.generator
    inside = canvas.organs == MUSCLE
    for angle in np.linspace(0, 2 * np.pi, 7)[:-1] + draw.uniform(0, 1):
        out = np.array((np.cos(angle), np.sin(angle), 0)) * muscle * draw.uniform(0.5, 0.7)
        axes = draw.uniform((14, 10, 1e4), (24, 18, 1e4))
        canvas.blob(middle + out, axes, tissue.muscle + draw.uniform(-12, 8), MUSCLE, angle=angle, within=inside)
        split = np.array((np.cos(angle + 0.5), np.sin(angle + 0.5), 0)) * muscle * draw.uniform(0.5, 0.75)
        axes = draw.uniform((10, 0.8, 1e4), (22, 3, 1e4))
        canvas.blob(middle + split, axes, tissue.fat + 20, angle=angle + 0.5 + draw.normal(0, 0.3), within=inside)
