# SPDX-License-Identifier: Apache-2.0
"""What can be said about the lesions of a label map: measured on the image, silent where it would be a guess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lsms_monai.data.diameter import longest_diameter, round_diameter
from lsms_monai.data.geometry import check_same_shape, to_lps
from lsms_monai.data.meaning import HU_MARGIN, LesionAttributes
from lsms_monai.data.placing import Place, Scan, places
from lsms_monai.keys import UNKNOWN_VALUE

SPECK_MM = 3.0  # a component of a semantic mask below this diameter is no lesion that words could name
WATER_HU = (-15.0, 22.0)
CALCIFIED_HU = 200.0
ISODENSE = "isodense"  # kind of a lesion of which no expression can say whether it is darker or brighter
SOFT_TISSUE_HU = (0.0, 300.0)  # where the parenchyma around a lesion may lie
MAX_SLICES = 25  # of the organ, for its HU
RING_MM = 12.0  # width of the ring that stands for the organ where its mask is not known
RIM_HU = 5.0  # by which a rim is brighter than the organ, on an image that is blurred
MIN_RIM_PIXELS = 3  # from the edge to the middle of a lesion in which a rim can be told
CORE_DEPTH = 0.6  # of the distance from a lesion's edge to its middle


def describe_lesions(
    image_hu: np.ndarray,
    labels: np.ndarray,
    affine: np.ndarray,
    organ: np.ndarray | None = None,
    *,
    in_mm: bool = True,
) -> list[LesionAttributes]:
    """Measure what words can say about each lesion of a volume or a slice.

    Args:
        image_hu: HU (W, H, D) or (W, H).
        labels: instance map of the same shape, 255 where nobody knows; a map with the value 1 alone is taken apart
            into its connected components.
        affine: (4, 4), voxel to RAS mm.
        organ: mask of the organ, above 0 inside. Without it side comes from the midline of the body, with wide
            margins, and depth, capsule and level stay unknown.
        in_mm: whether the affine knows the size of a voxel; if not, diameters are in pixels.

    Returns:
        Attributes in the order of the values. Attenuation is told from the parenchyma beside the lesions, "isodense"
        within 15 HU of it.

    Raises:
        ValueError: if the arrays differ in shape, or the label map holds values that are no whole numbers above 0.
    """
    scan = _scan(image_hu, labels, affine, organ, in_mm)
    lesions = scan.lesions()
    parenchyma_hu = _parenchyma_hu(scan, list(lesions.values())) if lesions else np.nan
    where = places(scan) if lesions else {}
    return [_describe(value, box, scan, parenchyma_hu, where[value]) for value, box in lesions.items()]


def instance_map(labels: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Give each lesion a value of its own.

    Args:
        labels: label map; if its only value (beside 0 and 255) is 1, its connected components (26 neighbours) are
            numbered from the largest down, and specks below 3 mm in diameter become 255.
        spacing: voxel size in mm.

    Returns:
        uint8 label map, uint16 where there are more than 254 lesions.

    Raises:
        ValueError: if a value is negative or no whole number.
    """
    if labels.dtype.kind == "f":
        if not np.array_equal(labels, np.rint(labels)):
            odd = np.unique(labels[labels != np.rint(labels)])[:5]
            raise ValueError(f"label must hold whole numbers, got {odd.tolist()}; it is a probability or was resampled")
        labels = labels.astype(np.int32)
    if labels.size and labels.min() < 0:
        raise ValueError(f"label must hold no value below 0, got {int(labels.min())}; 0 is no lesion, 1..n are lesions")
    labels = labels.astype(np.uint8 if labels.size and labels.max() <= UNKNOWN_VALUE else np.uint16)
    lesion = (labels > 0) & (labels != UNKNOWN_VALUE)
    if not lesion.any() or labels[lesion].max() > 1:
        return labels
    components, number = ndimage.label(lesion, np.ones((3,) * labels.ndim))
    voxels = np.bincount(components.ravel())[1:]
    order = np.argsort(-voxels, kind="stable")
    boxes = enumerate(ndimage.find_objects(components), start=1)
    pixel_mm2 = float(spacing[0] * spacing[1])
    is_speck = np.array([round_diameter(components[box] == i, pixel_mm2) < SPECK_MM for i, box in boxes])
    values = np.arange(1, number + 1)
    values[values >= UNKNOWN_VALUE] += 1
    table = np.zeros(number + 1, np.uint16)
    table[1 + order[~is_speck[order]]] = values[: number - is_speck.sum()]
    table[1 + np.flatnonzero(is_speck)] = UNKNOWN_VALUE
    result = table[components]
    result[labels == UNKNOWN_VALUE] = UNKNOWN_VALUE
    return result.astype(np.uint8 if result.max() <= UNKNOWN_VALUE else np.uint16)


def depth_in_slice(lesion: np.ndarray, spacing: np.ndarray | Sequence[float] = (1.0, 1.0)) -> np.ndarray:
    """Distance of each voxel of a lesion to what is not the lesion in its axial slice, 0 outside.

    Args:
        lesion: mask (W, H, D).
        spacing: size of a pixel, in whose unit the distance is.
    """
    padded = np.pad(lesion, ((1, 1), (1, 1), (0, 0)))
    return ndimage.distance_transform_edt(padded, sampling=(*spacing[:2], 1e6))[1:-1, 1:-1]


def core(depth: np.ndarray) -> np.ndarray:
    """Mask of a lesion's inner part, which rim and margin leave out and a darker middle counts in.

    Args:
        depth: see `depth_in_slice`.
    """
    return depth >= CORE_DEPTH * depth.max()


def _scan(image: np.ndarray, labels: np.ndarray, affine: np.ndarray, organ: np.ndarray | None, in_mm: bool) -> Scan:
    """Everything in LPS order with one value per lesion, the lesions within the organ."""
    for name, array in (("label", labels), ("organ mask", organ)):
        if array is not None:
            check_same_shape(name, np.shape(array), np.shape(image))
    image, turned = to_lps(np.atleast_3d(image), affine)
    labels = to_lps(np.atleast_3d(labels), affine)[0]
    labels = instance_map(labels, np.linalg.norm(turned[:3, :3], axis=0))
    if organ is not None:
        organ = (to_lps(np.atleast_3d(organ), affine)[0] > 0) | ((labels > 0) & (labels != UNKNOWN_VALUE))
    return Scan(image, labels, organ, turned, in_mm)


def _parenchyma_hu(scan: Scan, boxes: list[tuple[slice, ...]]) -> float:
    """Median HU of the organ beside the lesions, or of a ring of soft tissue around each; NaN if there is none."""
    if scan.organ is not None:
        indices = np.flatnonzero(scan.organ.any(axis=(0, 1)))
        boxes = [(slice(None), slice(None), slice(k, k + 1)) for k in indices[:: max(1, len(indices) // MAX_SLICES)]]
    else:
        boxes = [_grown(box, scan) for box in boxes]
    samples = []
    for box in boxes:
        lesion, image = scan.labels[box] > 0, scan.image[box]
        near = ndimage.binary_dilation(lesion, np.ones((3, 3, 1)), iterations=2)
        if scan.organ is not None:
            around = scan.organ[box]
        else:
            away_mm = ndimage.distance_transform_edt(~lesion, sampling=(*scan.spacing[:2], 1e6))
            ring_mm = max(RING_MM, 5 * scan.spacing[:2].max())
            around = (away_mm < ring_mm) & (image > SOFT_TISSUE_HU[0]) & (image < SOFT_TISSUE_HU[1])
        samples.append(image[around & ~near])
    return float(np.median(np.concatenate(samples))) if any(map(np.size, samples)) else np.nan


def _grown(box: tuple[slice, ...], scan: Scan) -> tuple[slice, ...]:
    """The box with a margin for the ring in the axial plane."""
    margins = [*np.ceil(RING_MM / scan.spacing[:2]).astype(int) + 4, 0]
    return tuple(slice(max(part.start - by, 0), part.stop + by) for part, by in zip(box, margins, strict=True))


def _kind(image: np.ndarray, lesion: np.ndarray, spacing: np.ndarray, parenchyma_hu: float) -> tuple[str, float]:
    """Kind of a lesion, and the mean HU of its core."""
    depth = depth_in_slice(lesion, spacing) / spacing[:2].max()  # in pixels
    deepest = depth.max()
    hu = float(image[core(depth)].mean(dtype=np.float64))
    if hu > CALCIFIED_HU:
        return "calcified", hu
    shells = [lesion & (np.abs(depth - at) <= 0.5) for at in np.arange(1, CORE_DEPTH * deepest, 0.5)]
    rim_hu = max((float(image[shell].mean(dtype=np.float64)) for shell in shells if shell.any()), default=hu)
    is_dark = hu <= parenchyma_hu - HU_MARGIN
    if is_dark and deepest >= MIN_RIM_PIXELS and rim_hu >= parenchyma_hu + RIM_HU:
        return "rim", hu
    if is_dark:
        return "cyst" if WATER_HU[0] <= hu <= WATER_HU[1] else "hypodense", hu
    return "hyperdense" if hu >= parenchyma_hu + HU_MARGIN else ISODENSE, hu


def _describe(value: int, box: tuple[slice, ...], scan: Scan, parenchyma_hu: float, place: Place) -> LesionAttributes:
    """Attributes of one lesion."""
    lesion = scan.labels[box] == value
    kind, hu = _kind(scan.image[box], lesion, scan.spacing, parenchyma_hu)
    voxel = np.argwhere(lesion).mean(axis=0) + [part.start for part in box]
    pixel = scan.spacing[:2] if scan.in_mm else np.ones(2)
    x, y, z = (scan.affine[:3, :3] @ voxel + scan.affine[:3, 3]).round(1).tolist()
    return LesionAttributes(
        value=value,
        side=place.side,
        kind=kind,
        hu=round(hu, 1),
        diameter_mm=round(round_diameter(lesion, float(pixel.prod())), 1),
        longest_mm=round(longest_diameter(lesion, np.diag((*pixel, 1.0))[:, :2]), 1),
        centroid_mm=(x, y, z),
        depth=place.depth,
        capsule=place.capsule,
        level=place.level,
    )
