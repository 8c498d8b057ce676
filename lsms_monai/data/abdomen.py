# SPDX-License-Identifier: Apache-2.0
"""The upper abdomen with the liver, and the abdomen below it."""

from __future__ import annotations

import numpy as np

from lsms_monai.data.body import (
    GALLBLADDER,
    KIDNEY,
    LIVER,
    LUNG,
    SPLEEN,
    STOMACH,
    VESSEL,
    Canvas,
    Tissue,
    squared_radius,
)
from lsms_monai.data.trunk import draw_bowel, draw_great_vessels, draw_heart, draw_ribs, draw_spine, draw_trunk

DOME_MM = 85.0  # height of the diaphragm in the middle of the body


def draw_upper_abdomen(canvas: Canvas, tissue: Tissue) -> np.ndarray:
    """Paint a body at the height of the liver, z = 0 at the liver's middle.

    Returns:
        Distance in mm to the plane between the hepatic lobes, positive on the patient's left, float32 (W, H, D).
    """
    draw = canvas.generator
    body = draw_trunk(canvas, tissue, 114, 80, flank=10)
    draw_ribs(canvas, body)
    spine_y = float(draw.uniform(38, 44) * body.size)
    inside = body.cavity
    above = canvas.p[2] + 70 * np.square(body.radius) >= DOME_MM
    if above.any():
        canvas.paint(inside & above, draw.uniform(-880, -780), LUNG)
        centre = draw.uniform((10, -42, DOME_MM + 12), (35, -22, DOME_MM + 25))
        draw_heart(canvas, tissue, centre, draw.uniform((50, 36, 36), (70, 52, 48)), inside & above)
        inside &= ~above
    draw_bowel(canvas, (-60, -65, -100), (95, 10, -25), 12, inside)
    _left_organs(canvas, tissue, inside, body.size)
    lobe_mm = _liver(canvas, tissue, inside & (body.radius < 0.975), body.size, spine_y)
    _kidneys(canvas, tissue, body.size, spine_y)
    draw_spine(canvas, tissue, body.size, spine_y)
    draw_great_vessels(canvas, tissue, body.size, spine_y)
    return lobe_mm


def draw_lower_abdomen(canvas: Canvas, tissue: Tissue) -> None:
    """Paint a body below the liver: bowel, the lower poles of the kidneys, psoas; z = 0 some 140 mm lower."""
    draw = canvas.generator
    body = draw_trunk(canvas, tissue, 118, 78, flank=24)
    spine_y = float(draw.uniform(34, 40) * body.size)
    draw_bowel(canvas, (-95, -65, -50), (95, 5, 50), int(draw.integers(14, 26)), body.radius < 0.95)
    for side in (-1, 1):
        canvas.blob((side * 42 * body.size, spine_y, 0), (*draw.uniform((16, 18), (24, 28)), 1e4), tissue.muscle)
    if draw.random() < 0.5:
        _kidneys(canvas, tissue, body.size, spine_y, height=50)
    draw_spine(canvas, tissue, body.size, spine_y)
    draw_great_vessels(canvas, tissue, body.size, spine_y)


def _left_organs(canvas: Canvas, tissue: Tissue, inside: np.ndarray, size: float) -> None:
    """Paint pancreas, stomach with fluid and air, and the spleen."""
    draw = canvas.generator
    canvas.blob((18 * size, -2, -8), (34, 10, 14), tissue.pancreas, angle=draw.uniform(-0.5, 0.1), within=inside)
    centre = draw.uniform((48, -22, 10), (64, -4, 30)) * size
    axes, angle = draw.uniform((26, 20, 45), (44, 36, 60)) * size, draw.uniform(-0.5, 0.5)
    box, radius = canvas.ellipsoid(centre, axes, angle)
    canvas.paint((radius < 1) & inside[box], draw.uniform(40, 85), STOMACH, box)
    lumen = (radius < 0.78) & inside[box]
    canvas.paint(lumen, draw.choice([draw.uniform(0, 40), draw.uniform(40, 250)], p=[0.8, 0.2]), STOMACH, box)
    if draw.random() < 0.8:
        canvas.paint(lumen & (canvas.local(box)[1] < centre[1] - draw.uniform(0, 20)), -900, STOMACH, box)
    centre = draw.uniform((76, 12, 5), (88, 34, 25)) * size
    axes, angle = draw.uniform((20, 36, 40), (32, 54, 64)) * size, draw.uniform(-0.4, 0.2)
    canvas.blob(centre, axes, tissue.spleen, SPLEEN, angle=angle, within=inside)


def _liver(canvas: Canvas, tissue: Tissue, inside: np.ndarray, size: float, spine_y: float) -> np.ndarray:
    """Paint both lobes, the vessels, the fissure and the gallbladder; return the distance to the plane between them."""
    draw, (x, y, _) = canvas.generator, canvas.p
    cava = np.array([-22 * size, spine_y - 28, 0])
    angle = draw.uniform(0.1, 0.5)
    front = np.array([-np.sin(angle), -np.cos(angle), 0])
    lobe_mm = (x - np.float32(cava[0])) * np.float32(-front[1]) + (y - np.float32(cava[1])) * np.float32(front[0])
    right = draw.uniform((-64, -10, -8), (-50, 8, 4)) * size, draw.uniform((54, 60, 78), (72, 78, 98)) * size, 0.0
    left = (
        draw.uniform((0, -50, 4), (22, -38, 14)) * size,
        draw.uniform((52, 25, 50), (84, 38, 78)) * size,
        draw.uniform(-0.05, 0.25),
    )
    _lobes(canvas, tissue, inside, right, left)
    liver = canvas.organs == LIVER
    if liver.any():
        _liver_vessels(canvas, tissue, liver, cava, front, size)
    if draw.random() < 0.7:
        canvas.blob(draw.uniform((8, -26, -20), (20, -14, 20)) * size, (3.5, 15, 60), tissue.fat + 25, angle=0.2)
    if draw.random() < 0.6:
        centre = cava + front * draw.uniform(32, 46) * size + (0, 0, -48)
        axes = draw.uniform((7, 15, 26), (15, 27, 42))
        canvas.blob(centre, axes, draw.uniform(0, 22), GALLBLADDER, angle=-angle, within=inside)
    return lobe_mm


def _lobes(canvas: Canvas, tissue: Tissue, inside: np.ndarray, right: tuple, left: tuple) -> None:
    """Paint two ellipsoids, blended where they meet."""
    reach = [1.07 * np.array((max(axes[:2]), max(axes[:2]), axes[2])) for _, axes, _ in (right, left)]  # they bulge
    low = np.minimum(right[0] - reach[0], left[0] - reach[1])
    high = np.maximum(right[0] + reach[0], left[0] + reach[1])
    box = canvas.box(low.tolist(), high.tolist())
    from_right, from_left = (squared_radius(canvas.local(box), *lobe) for lobe in (right, left))
    mix = np.clip(0.5 + (from_left - from_right), 0, 1)
    shape = from_left + (from_right - from_left) * mix - np.float32(0.5) * mix * (1 - mix)
    canvas.paint((shape < 1) & inside[box], tissue.liver, LIVER, box)


def _liver_vessels(
    canvas: Canvas, tissue: Tissue, liver: np.ndarray, cava: np.ndarray, front: np.ndarray, size: float
) -> None:
    """Paint hepatic veins (the middle one between the lobes), portal branches and small vessels into the liver."""
    draw = canvas.generator
    top, hilum = cava + np.array([0, -4, 38]), np.array([-12, 2, -6]) * size
    ends = [np.array([-92, 8, -15]) * size, cava + front * 75 + (0, 0, -15), np.array([38, -46, 0]) * size]
    lines = [((top, end + draw.normal(0, 6, 3)), draw.uniform(3.5, 5.5)) for end in ends]
    fork = np.array([-52, -4, 2]) * size + draw.normal(0, 5, 3)
    lines += [((hilum, fork), draw.uniform(4.5, 6.5))]
    lines += [((hilum, np.array([12, -38, 8]) * size + draw.normal(0, 5, 3)), draw.uniform(4, 5.5))]
    lines += [((fork, fork + draw.normal(0, 26, 3)), draw.uniform(3, 4.5)) for _ in range(4)]
    starts = draw.uniform((-100, -55, -50), (40, 40, 50), (16, 3)) * size
    lines += [((start, start + draw.normal(0, 16, 3)), draw.uniform(1.2, 3.2)) for start in starts]
    for line, radius in lines:
        canvas.tube(line, radius, tissue.vessel + draw.uniform(-6, 6), LIVER, liver)


def _kidneys(canvas: Canvas, tissue: Tissue, size: float, spine_y: float, height: float = -62.0) -> None:
    """Paint both kidneys with cortex, medulla and the fat of the sinus, now and then with a cyst."""
    draw = canvas.generator
    medulla = tissue.kidney - (60 if tissue.phase == "arterial" else 0)
    for side in (-1, 1):
        centre = np.array([side * 56, spine_y + 8, height + 8 * side]) * (size, 1, 1) + draw.normal(0, 4, 3)
        axes, angle = draw.uniform((22, 26, 50), (29, 33, 60)) * size, side * 0.4
        canvas.shell(centre, axes, 7, (tissue.kidney, medulla), KIDNEY, angle)
        canvas.blob(centre - (side * 9, 0, 0), (10, 9, 24), tissue.fat + 40, angle=angle)
        if tissue.phase == "delayed" and draw.random() < 0.7:
            canvas.blob(centre - (side * 11, 0, 0), (5, 5, 16), draw.uniform(200, 600), VESSEL)
        if draw.random() < 0.15:
            place, radii = centre + draw.normal(0, 1, 3) * axes * 0.6, draw.uniform(5, 18, 3)
            outside = canvas.organs != LIVER  # there it would be a cyst of the liver
            canvas.blob(place, radii, draw.uniform(0, 15), KIDNEY, within=outside)
