# SPDX-License-Identifier: Apache-2.0
"""Lesions of known side, size and attenuation, painted into a synthetic liver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from lsms_monai.data.anatomy import LIVER, Anatomy, Grid
from lsms_monai.data.meaning import LesionAttributes

DIAMETER_MM = (14.0, 60.0)
GAP_MM = 4.0  # between two lesions
CAPSULE_MM = 2.0  # between a lesion and the liver's edge
LOBE_MARGIN_MM = 7.0  # between a lesion and the plane between the lobes


def place_lesions(
    generator: Generator, body: Anatomy, grid: Grid, spacing: Sequence[float], num_lesions: int
) -> tuple[np.ndarray, list[LesionAttributes]]:
    """Paint lesions into the liver, apart from each other, from its edge and from the plane between the lobes.

    Args:
        generator: the only source of randomness.
        body: the abdomen; its HU are changed.
        grid: x, y and z in mm of every voxel, as given to `build_anatomy`.
        spacing: voxel size in mm.
        num_lesions: how many to place; fewer are placed where the liver has no room.

    Returns:
        Instance map (W, H, D) uint8 and the attributes of each lesion.
    """
    labels = np.zeros(body.hu.shape, np.uint8)
    lesions: list[LesionAttributes] = []
    if num_lesions == 0 or not (body.organs == LIVER).any():
        return labels, lesions
    room = _room(body, spacing)
    radii = np.exp(generator.uniform(np.log(DIAMETER_MM[0]), np.log(DIAMETER_MM[1]), num_lesions)) / 2
    for radius in sorted(radii, reverse=True):
        lobe = generator.choice((-1, 1))
        for side in (lobe, -lobe):
            free = room * (body.lobe_mm * side > 0)
            fits = min(radius, float(free.max()) / 1.25)
            if fits >= DIAMETER_MM[0] / 2:
                break
        else:
            continue
        places = np.argwhere(free >= 1.2 * fits)
        place = places[generator.integers(len(places))]
        centre = [float(axis.flat[i]) for axis, i in zip(grid, place, strict=True)]
        lesions.append(_paint_lesion(generator, body, labels, grid, centre, fits, spacing))
        apart = np.sqrt(sum(np.square(axis - c) for axis, c in zip(grid, centre, strict=True)))
        room = np.minimum(room, apart - 1.2 * fits - GAP_MM - max(spacing[:2]))
    return labels, lesions


def _room(body: Anatomy, spacing: Sequence[float]) -> np.ndarray:
    """Radius in mm of the largest ball about each voxel that a lesion may fill."""
    liver = body.organs == LIVER
    room = np.zeros(liver.shape, np.float32)
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(liver))
    if liver.shape[2] == 1:  # a slice is its own world: only distances within it count
        inside = np.pad(liver[box][..., 0], 1)
        room[box] = ndimage.distance_transform_edt(inside, sampling=spacing[:2])[1:-1, 1:-1, None]
    else:
        inside = np.pad(liver[box], 1)
        room[box] = ndimage.distance_transform_edt(inside, sampling=spacing)[1:-1, 1:-1, 1:-1]
    return np.minimum(room - CAPSULE_MM, np.abs(body.lobe_mm) - LOBE_MARGIN_MM)


def _paint_lesion(
    generator: Generator,
    body: Anatomy,
    labels: np.ndarray,
    grid: Grid,
    centre: Sequence[float],
    radius: float,
    spacing: Sequence[float],
) -> LesionAttributes:
    """Blend one lesion into the liver, label it and say what it is; it stays within 1.2 radii of its centre."""
    value = int(labels.max()) + 1
    kind = str(generator.choice(("cyst", "hypodense", "hyperdense"), p=(0.27, 0.4, 0.33)))
    hu, softness = {
        "cyst": (generator.uniform(-2, 18), 1.5),
        "hypodense": (generator.uniform(38, body.liver_hu - 28), generator.uniform(1.5, 5)),
        "hyperdense": (min(body.liver_hu + generator.uniform(34, 80), 200), generator.uniform(1.5, 4)),
    }[kind]
    box = tuple(
        slice(*np.searchsorted(axis.ravel(), (c - 1.3 * radius - 3, c + 1.3 * radius + 3)))
        for axis, c in zip(grid, centre, strict=True)
    )
    local = [axis.ravel()[part] - c for axis, part, c in zip(grid, box, centre, strict=True)]
    outside_mm = _outline(generator, np.ix_(*local), radius, smooth=kind == "cyst")
    share = np.clip(0.5 - outside_mm / softness, 0, 1)
    inner = hu + generator.uniform(-8, 8) * np.clip(-outside_mm / radius, 0, 1)
    body.hu[box] = body.hu[box] * (1 - share) + inner * share
    mask = outside_mm < 0
    labels[box][mask] = value
    area_mm2 = float(mask.sum(axis=(0, 1)).max()) * spacing[0] * spacing[1]
    return LesionAttributes(
        value=value,
        side="left" if _lobe_distance(body, grid, centre) > 0 else "right",
        kind=kind,
        hu=round(float(hu), 1),
        diameter_mm=round(2 * float(np.sqrt(area_mm2 / np.pi)), 1),
        centroid_mm=(-round(centre[0], 1), -round(centre[1], 1), round(centre[2], 1)),
    )


def _lobe_distance(body: Anatomy, grid: Grid, centre: Sequence[float]) -> float:
    """Distance of a point to the plane between the lobes, positive on the patient's left."""
    voxel = tuple(int(np.abs(axis.ravel() - c).argmin()) for axis, c in zip(grid, centre, strict=True))
    return float(body.lobe_mm[voxel])


def _outline(generator: Generator, offsets: Sequence[np.ndarray], radius: float, smooth: bool) -> np.ndarray:
    """Distance in mm to a lumpy ellipsoid's surface, negative inside."""
    x, y, z = offsets
    turn = generator.uniform(0, np.pi)
    x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    stretch = generator.uniform(0.88, 1.08)
    height = generator.uniform(0.85, 1.15)
    distance = np.sqrt(np.square(x / stretch) + np.square(y * stretch) + np.square(z / height))
    theta = np.arctan2(y, x) + z / radius
    lumps = generator.uniform(0, 0.02 if smooth else 0.05, 3)
    waves = sum(lump * np.cos(k * theta + generator.uniform(0, 2 * np.pi)) for k, lump in enumerate(lumps, 2))
    return distance - radius * (1 + waves * np.clip(distance / radius, 0, 1))
