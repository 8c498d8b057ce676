# SPDX-License-Identifier: Apache-2.0
"""How a lesion looks: its kind, its outline and its inner texture, painted over any liver in HU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import ndimage

KIND_RATES = {"hypodense": 0.35, "cyst": 0.2, "hyperdense": 0.19, "rim": 0.2, "calcified": 0.06}  # many rims go unseen
CONTRAST_HU = 15.0  # at least, between a lesion and its liver
BRIGHTEST_HU = 215.0  # of what is not calcified
LOBULATED_RATE, NECROSIS_RATE = 0.35, 0.3
BRIGHT_RADIUS_MM = 6.0  # at least, of a hyperdense lesion: on a slice, a smaller bright dot is a vessel
REACH = 1.4  # radii from the centre within which a lesion lies


@dataclass(frozen=True)
class Appearance:
    """How one lesion is to be painted.

    Args:
        kind: a key of `KIND_RATES`.
        hu: attenuation of its core.
        radius: in mm.
        softness: width of its margin in mm.
        texture: standard deviation of its inner texture in HU.
        rim_hu: attenuation of the bright rim, of kind "rim" alone.
    """

    kind: str
    hu: float
    radius: float
    softness: float
    texture: float
    rim_hu: float | None = None


def draw_appearance(generator: Generator, liver_hu: float, radius: float) -> Appearance:
    """Draw a kind and what goes with it.

    Args:
        generator: the only source of randomness.
        liver_hu: HU of the parenchyma around.
        radius: in mm; calcifications are made smaller.
    """
    kind = str(generator.choice(list(KIND_RATES), p=list(KIND_RATES.values())))
    is_fatty = liver_hu < 22 + CONTRAST_HU
    if kind == "hypodense" and is_fatty:  # there a solid lesion is the brighter one
        kind = "hyperdense"
    if kind == "hyperdense" and radius < BRIGHT_RADIUS_MM:
        kind = "cyst" if is_fatty else "hypodense"
    sharp, rim_hu = generator.uniform(1.2, 2.5), None
    soft = sharp if generator.random() < 0.5 else generator.uniform(2.5, 7)
    if kind == "cyst":
        hu, soft = generator.uniform(-5, max(min(20, liver_hu - 20), -4)), 1.5
    elif kind == "hypodense":
        hu = max(liver_hu - generator.uniform(CONTRAST_HU + 3, 70), 22)
    elif kind == "hyperdense":
        hu, soft = min(liver_hu + generator.uniform(28, 85), BRIGHTEST_HU), min(soft, 4)
    elif kind == "rim":
        hu = max(liver_hu - generator.uniform(25, 70), min(10, liver_hu - 20))
        rim_hu = float(min(liver_hu + generator.uniform(15, 70), BRIGHTEST_HU))
    else:
        hu, soft, radius = generator.uniform(250, 650), 1.2, min(radius, generator.uniform(3, 15))
    texture = generator.uniform(0, 1.5 if kind == "cyst" else 7)
    return Appearance(kind, float(hu), radius, float(min(soft, 0.6 * radius)), float(texture), rim_hu)


def paint(
    generator: Generator,
    hu: np.ndarray,
    offsets: Sequence[np.ndarray],
    look: Appearance,
    spacing: Sequence[float],
    *,
    within: np.ndarray,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Blend one lesion into an image.

    Args:
        generator: the only source of randomness.
        hu: HU (W, H, D) around the lesion, changed in place.
        offsets: distance in mm from the lesion's centre along x, y and z, three arrays that broadcast to (W, H, D).
        look: how it looks.
        spacing: voxel size in mm.
        within: mask (W, H, D) of the liver; the lesion does not leave it.
        noise: noise in HU (W, H, D) that a real image has there, to keep.

    Returns:
        Mask of the lesion.
    """
    outside_mm = outline(generator, offsets, look.radius, smooth=look.kind == "cyst")
    inner = look.hu + look.texture * _grain(generator, outside_mm.shape, 0.35 * look.radius, spacing)
    if look.rim_hu is not None:
        width = min(generator.uniform(2.5, 6), 0.4 * look.radius)
        ring = np.clip(1 - np.abs(outside_mm + width / 2) / (width / 2 + 0.5), 0, 1)
        inner = inner + (look.rim_hu - look.hu) * ring
    elif look.kind == "hypodense" and look.radius > 10 and generator.random() < NECROSIS_RATE:
        inner = inner - generator.uniform(8, 25) * np.clip(-2 * outside_mm / look.radius - 0.5, 0, 1)
    if noise is not None:
        inner = inner + noise
    share = np.clip(0.5 - outside_mm / look.softness, 0, 1) * ndimage.binary_dilation(within)
    hu[...] = hu * (1 - share) + inner * share
    return (outside_mm < 0) & within


def outline(generator: Generator, offsets: Sequence[np.ndarray], radius: float, *, smooth: bool) -> np.ndarray:
    """Distance in mm to the surface of a lumpy ellipsoid, or of two that are one, negative inside."""
    lumpiness = 0.02 if smooth else generator.choice((0.05, 0.12))
    distance = _ellipsoid(generator, offsets, radius, lumpiness)
    if not smooth and radius > 6 and generator.random() < LOBULATED_RATE:
        turn, shift = generator.uniform(0, 2 * np.pi), 0.55 * radius
        moved = (offsets[0] - shift * np.cos(turn), offsets[1] - shift * np.sin(turn), offsets[2])
        distance = np.minimum(distance, _ellipsoid(generator, moved, radius * generator.uniform(0.4, 0.6), 0.05))
    return distance


def _ellipsoid(generator: Generator, offsets: Sequence[np.ndarray], radius: float, lumpiness: float) -> np.ndarray:
    """Distance in mm to the surface, which lies within 1.15 radii of the centre."""
    x, y, z = offsets
    turn = generator.uniform(0, np.pi)
    x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    stretch, height = generator.uniform(0.78, 1), generator.uniform(0.85, 1.15)
    distance = np.sqrt(np.square(x * stretch) + np.square(y / stretch) + np.square(z / height))
    theta = np.arctan2(y, x) + z / radius
    lumps = generator.uniform(0, lumpiness, 4)
    waves = sum(lump * np.cos(k * theta + generator.uniform(0, 2 * np.pi)) for k, lump in enumerate(lumps, 2))
    size = min(1.0, 1.15 * stretch / (1 + float(lumps.sum())))
    return distance - radius * size * (1 + waves * np.clip(distance / radius, 0, 1))


def _grain(generator: Generator, shape: tuple[int, ...], size_mm: float, spacing: Sequence[float]) -> np.ndarray:
    """Smooth noise of unit standard deviation."""
    sigma = [max(size_mm / step, 0.7) if size > 1 else 0 for step, size in zip(spacing, shape, strict=True)]
    grain = ndimage.gaussian_filter(generator.standard_normal(shape, np.float32), sigma, truncate=3)
    return grain / max(float(grain.std()), 1e-6)
