# SPDX-License-Identifier: Apache-2.0
"""Synthetic lesions in real livers: truth by construction, for any CT with a liver mask.

In the manner of label-free tumour synthesis (Hu et al., CVPR 2023, arXiv 2303.14869): shapes by rule, texture from the
image itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from lsms_monai.data.anatomy import LIVER, Anatomy
from lsms_monai.data.attributes import describe_lesions
from lsms_monai.data.body import centred_grid
from lsms_monai.data.lesions import place_lesions
from lsms_monai.data.meaning import LesionAttributes
from lsms_monai.data.placing import lobe_distance
from lsms_monai.data.scan import Scanner, blurred
from lsms_monai.keys import UNKNOWN_VALUE

NUM_LESIONS_RATES = (0.06, 0.14, 0.28, 0.28, 0.16, 0.08)  # of slices with 0, 1, ... 5 lesions
LOBE_MARGIN_MM = 14.0  # no one has drawn the lobes
SMOOTH_MM, NOISE_MM, NUM_DEVIATIONS = 2.4, 3.0, 2.5  # noise beyond is a vessel
DARK_HU, BRIGHT_HU = 16.0, 50.0  # beyond which a part of the liver may be a lesion already; vessels are bright
EDGE_MM, VESSEL_MM, AREA_MM2 = 4.0, 3.0, 55.0  # not looked at, too thin, too small to be one
AROUND_MM = 4.5


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A real CT with synthetic lesions; the arrays are (W, H, D) in LPS order.

    Args:
        image: float32 HU.
        labels: uint8 instance map; 255 where the liver may have a lesion of its own.
        lesions: attributes of each lesion.
    """

    image: np.ndarray
    labels: np.ndarray
    lesions: list[LesionAttributes]


def synthesize(
    image: np.ndarray,
    liver: np.ndarray,
    spacing: Sequence[float],
    generator: Generator,
    num_lesions: int | None = None,
    *,
    known: np.ndarray | None = None,
) -> Synthetic | None:
    """Blend lesions into the liver of a CT.

    Args:
        image: HU (W, H, D) in LPS order.
        liver: mask (W, H, D).
        spacing: voxel size in mm.
        generator: the only source of randomness.
        num_lesions: how many, fewer if the liver has no room or its noise would hide one; drawn at random if None.
        known: label map (W, H, D) of the lesions that the liver has, 255 where nobody is sure; without it, nobody is
            sure where the liver is clearly darker or brighter.

    Returns:
        The CT with its lesions, those first that it had; None if it cuts off the body, from which the plane between the
        lobes is told.

    Raises:
        ValueError: if image and mask differ in shape, or the mask is empty.
    """
    if image.shape != liver.shape or image.ndim != 3 or not liver.any():
        raise ValueError(
            f"image and liver must be (W, H, D) of one shape, the liver not empty, got {image.shape} and {liver.shape} "
            f"with {np.count_nonzero(liver)} voxels of liver"
        )
    if num_lesions is None:
        num_lesions = int(generator.choice(len(NUM_LESIONS_RATES), p=NUM_LESIONS_RATES))
    image, liver = image.astype(np.float32), liver.astype(bool)
    lobe_mm = lobe_distance(image, liver, spacing)
    if lobe_mm is None:
        return None
    lowest, highest = float(image.min()), float(image.max())
    taken, liver_hu = suspicious(image, liver, spacing)
    theirs: list[LesionAttributes] = []
    if known is None:
        known = np.where(taken, UNKNOWN_VALUE, 0).astype(np.uint8)
    elif known.any():
        theirs = describe_lesions(image, known, np.diag((-spacing[0], -spacing[1], spacing[2], 1.0)), liver)
        liver, taken = liver | (known > 0), taken | (known > 0)
    grid = centred_grid(image.shape, spacing)
    rows = np.count_nonzero(liver, axis=(0, 2))
    depth_mm = np.broadcast_to(grid[1] - np.average(grid[1].ravel(), weights=rows), image.shape)
    body = Anatomy(image.copy(), np.where(liver, LIVER, 0).astype(np.uint8), lobe_mm, depth_mm, liver_hu)
    noise = _noise(image, liver, spacing)
    labels, lesions = place_lesions(
        generator,
        body,
        grid,
        spacing,
        num_lesions,
        scanner=Scanner(0.0, float(noise[liver].std())),
        avoid=taken,
        noise=noise,
        lobe_margin_mm=LOBE_MARGIN_MM,
    )
    first = int(known[known != UNKNOWN_VALUE].max(initial=0))
    labels = np.where(labels > 0, labels + np.uint8(first), known)
    ours = [replace(lesion, value=lesion.value + first) for lesion in lesions]
    return Synthetic(np.clip(body.hu, lowest, highest), labels, [*theirs, *ours])


def suspicious(image: np.ndarray, liver: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, float]:
    """Find where a liver may have lesions of its own: clearly darker or brighter, and neither edge nor vessel.

    Args:
        image: HU (W, H, D).
        liver: mask (W, H, D).
        spacing: voxel size in mm.

    Returns:
        Mask with a margin, and the HU of the parenchyma.
    """
    smooth = _smooth(image, liver, SMOOTH_MM, spacing)
    inner = _eroded(liver, EDGE_MM, spacing)
    liver_hu = float(np.median(image[inner if inner.any() else liver]))
    odd = inner & ((smooth < liver_hu - DARK_HU) | (smooth > liver_hu + BRIGHT_HU))
    odd = _grown(_eroded(odd, VESSEL_MM, spacing), VESSEL_MM, spacing) & odd
    parts, _ = ndimage.label(odd)
    areas_mm2 = np.bincount(parts.ravel()) * spacing[0] * spacing[1]
    large = areas_mm2 >= AREA_MM2
    large[0] = False
    return _grown(large[parts], AROUND_MM, spacing) & liver, liver_hu


def _noise(image: np.ndarray, liver: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Noise of the parenchyma, without its vessels and without the step at its edge."""
    noise = np.where(liver, image - _smooth(image, liver, NOISE_MM, spacing), 0)
    most = NUM_DEVIATIONS * 1.48 * float(np.median(np.abs(noise[liver])))
    return np.clip(noise, -most, most)


def _smooth(image: np.ndarray, mask: np.ndarray, sigma_mm: float, spacing: Sequence[float]) -> np.ndarray:
    """Smooth what is in a mask by what is in it."""
    weight = np.maximum(blurred(mask.astype(np.float32), sigma_mm, spacing), 1e-3)
    return blurred(image * mask, sigma_mm, spacing) / weight


def _eroded(mask: np.ndarray, by_mm: float, spacing: Sequence[float]) -> np.ndarray:
    """Take off a margin within each slice."""
    far = [*spacing[:2], 1e6]
    return ndimage.distance_transform_edt(mask, sampling=far) > by_mm if mask.any() else mask


def _grown(mask: np.ndarray, by_mm: float, spacing: Sequence[float]) -> np.ndarray:
    """Add a margin within each slice."""
    far = [*spacing[:2], 1e6]
    return ndimage.distance_transform_edt(~mask, sampling=far) <= by_mm if mask.any() else mask
