# SPDX-License-Identifier: Apache-2.0
"""One body region in HU, defined in millimetres in 3-D and sampled on any grid.

Coordinates are LPS: x to the patient's left, y to the back, z to the head; the origin is the middle of the body, in the
upper abdomen at the height of the liver's middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from lsms_monai.data.abdomen import draw_lower_abdomen, draw_upper_abdomen
from lsms_monai.data.body import LIVER, Canvas, Grid, draw_tissue, smooth_field
from lsms_monai.data.other_regions import draw_chest, draw_pelvis, draw_thighs

WITHOUT_LIVER = {"chest": draw_chest, "abdomen": draw_lower_abdomen, "pelvis": draw_pelvis, "thigh": draw_thighs}
REGIONS = ("liver", *WITHOUT_LIVER)
TEXTURE_HU = (1.0, 6.0)


@dataclass
class Anatomy:
    """One body region sampled on a grid (W, H, D).

    Args:
        hu: noise-free HU, float32.
        organs: uint8 map of organ codes, 0 elsewhere.
        lobe_mm: distance to the plane between the hepatic lobes, positive on the patient's left.
        depth_mm: distance to the coronal plane through the liver's middle, positive to the back.
        liver_hu: HU of the parenchyma.
        phase: contrast, a key of `lsms_monai.data.body.PHASES`.
    """

    hu: np.ndarray
    organs: np.ndarray
    lobe_mm: np.ndarray
    depth_mm: np.ndarray
    liver_hu: float
    phase: str = "portal venous"


def build_anatomy(generator: Generator, grid: Grid, region: str = "liver") -> Anatomy:
    """Draw one random body.

    Args:
        generator: the only source of randomness.
        grid: x, y and z in mm of every voxel, three arrays that broadcast to (W, H, D).
        region: one of `REGIONS`; all but "liver" have no liver.

    Raises:
        ValueError: if there is no such region.
    """
    if region not in REGIONS:
        raise ValueError(f"region must be one of {', '.join(REGIONS)}, got {region!r}")
    tissue = draw_tissue(generator)
    canvas = Canvas(generator, grid)
    lobe_mm = depth_mm = np.zeros(canvas.hu.shape, np.float32)
    if region == "liver":
        lobe_mm = draw_upper_abdomen(canvas, tissue)
    else:
        WITHOUT_LIVER[region](canvas, tissue)
    rows = np.count_nonzero(canvas.organs == LIVER, axis=(0, 2))  # liver voxels at each depth
    if rows.any():
        y = canvas.grid[1]
        depth_mm = np.broadcast_to(y - np.float32(np.average(y.ravel(), weights=rows)), canvas.hu.shape)
    texture = np.float32(generator.uniform(*TEXTURE_HU)) * smooth_field(generator, grid, generator.uniform(8, 25))
    np.add(canvas.hu, texture, out=canvas.hu, where=canvas.hu > -200)
    return Anatomy(canvas.hu, canvas.organs, lobe_mm, depth_mm, tissue.liver, tissue.phase)
