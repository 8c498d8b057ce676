# SPDX-License-Identifier: Apache-2.0
"""What a probability map holds: connected components in three dimensions, each measured and with a score."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lsms_monai.answer import Lesion, axial_axis, measure_lesion
from lsms_monai.data.attributes import core, depth_in_slice
from lsms_monai.data.diameter import round_diameter

CORE_MM = 1.0  # standard deviation of the Gaussian that finds the surest place of a component
KEEP_RATE = 0.8  # a component whose score is below this part of the best one's is not one of "all"
WEAK_RATE = 0.6  # nor, on a single slice below this part, one of those of which a rank, size or neighbour tells one
FLATTEST = 1 / 3  # height of a component, as a part of its width, from which nothing is taken off its score
FLOOR = 0.05  # probabilities below it count as none
MAX_COMPONENTS = 200  # the surest ones are measured: more would be noise


@dataclass(frozen=True, eq=False)
class Component:
    """One connected component (26-connectivity) of an answer of the network.

    Args:
        box: where it lies in the volume.
        inside: bool, its voxels in that box.
        lesion: its measures.
        round_mm: diameter of the circle with the area of its largest axial section, as in the lesions' attributes.
        hu: mean HU away from its edge, where the neighbourhood does not blur it; NaN where there is no intensity.
        score: 0..1, how sure it is that there is something: near 1 for what is certain, low for specks, and for what
            is flat although the volume goes on above and below.
    """

    box: tuple[slice, ...]
    inside: np.ndarray
    lesion: Lesion
    round_mm: float
    hu: float
    score: float

    def overlap(self, mask: np.ndarray) -> float:
        """Part of its voxels that a mask (W, H, D) covers."""
        return float(mask[self.box][self.inside].mean())


@dataclass(frozen=True, eq=False)
class Components:
    """What the network has answered to one text.

    Args:
        items: the components, best score first, from `KEEP_RATE` of the best score on, on a single slice `WEAK_RATE`.
        best: score of the best one; where there is none, of what came nearest to being one.
        shape: of the volume.
    """

    items: list[Component]
    best: float
    shape: tuple[int, ...]

    @property
    def sure(self) -> list[Component]:
        """Those that are marked where all are meant: from `KEEP_RATE` of the best score on."""
        return [component for component in self.items if component.score >= KEEP_RATE * self.best]


def find_components(probability: np.ndarray, image: np.ndarray, affine: np.ndarray, threshold: float) -> Components:
    """Find and score the connected components of a probability map.

    A slice between two that agree on a voxel takes part in their answer, so that a lesion which the network has missed
    on one slice stays one lesion. Nothing is smoothed away: on slices of 5 mm a small lesion has one slice only.

    The score is the highest probability under a Gaussian of 1 mm in the slice: about the probability itself from 5 mm
    on, half of it for a speck of 2.4 mm. As lesions are about as high as wide, a component lower than a third of its
    width loses in proportion, unless it leaves the volume above or below. Components below `KEEP_RATE` of the best
    score are dropped: many slices have many false foci. On a single slice those down to `WEAK_RATE` are kept, as the
    smallest lesion is often the least sure one.

    Args:
        probability: (W, H, D), 0..1.
        image: intensities in HU, (W, H, D).
        affine: 4x4, voxel -> RAS mm.
        threshold: probability from which a voxel is inside.
    """
    around = ndimage.find_objects((probability >= FLOOR).astype(np.uint8))
    if not around:
        return Components([], 0.0, probability.shape)
    outer = around[0]
    axis = axial_axis(affine)
    sizes_mm = np.linalg.norm(affine[:3, :3], axis=0)
    bridged = _bridge(probability[outer], axis)
    sigma = [0.0 if a == axis else CORE_MM / size for a, size in enumerate(sizes_mm)]
    certainty = ndimage.gaussian_filter(bridged, sigma, truncate=3, mode="constant")
    labels, number = ndimage.label(bridged >= threshold, structure=np.ones((3, 3, 3)))
    if number == 0:
        return Components([], float(certainty.max()), probability.shape)
    boxes = ndimage.find_objects(labels)
    certainties = np.array([certainty[box][labels[box] == value].max() for value, box in enumerate(boxes, start=1)])
    found, best = [], 0.0
    keep_rate = WEAK_RATE if probability.shape[axis] == 1 else KEEP_RATE
    for index in np.argsort(-certainties, kind="stable")[:MAX_COMPONENTS]:
        if certainties[index] < keep_rate * best:  # no score is higher than the certainty
            break
        box = tuple(slice(o.start + i.start, o.start + i.stop) for o, i in zip(outer, boxes[index], strict=True))
        inside = labels[boxes[index]] == index + 1
        lesion = measure_lesion(inside, image[box], bridged[boxes[index]], affine, [part.start for part in box])
        height = _height_factor(lesion, box[axis], probability.shape[axis], sizes_mm[axis])
        hu, round_mm = _core_hu(inside, image[box], axis), _round_mm(inside, affine, axis)
        found.append(Component(box, inside, lesion, round_mm, hu, float(certainties[index]) * height))
        best = max(best, found[-1].score)
    kept = [component for component in found if component.score >= keep_rate * best]
    return Components(sorted(kept, key=lambda c: (-c.score, -c.lesion.volume_ml)), best, probability.shape)


def paint(components: list[Component], shape: tuple[int, ...]) -> np.ndarray:
    """The mask (W, H, D) of some components."""
    mask = np.zeros(shape, bool)
    for component in components:
        mask[component.box] |= component.inside
    return mask


def _bridge(probability: np.ndarray, axis: int) -> np.ndarray:
    """Raise each slice to what both its neighbours agree on."""
    slices = np.moveaxis(probability, axis, 0)
    bridged = slices.copy()
    if len(slices) > 2:
        np.maximum(slices[1:-1], np.minimum(slices[:-2], slices[2:]), out=bridged[1:-1])
    return np.moveaxis(bridged, 0, axis)


def _height_factor(lesion: Lesion, slices: slice, num_slices: int, step_mm: float) -> float:
    if slices.start == 0 or slices.stop == num_slices:
        return 1.0
    return min(1.0, (slices.stop - slices.start) * step_mm / (FLATTEST * lesion.longest_axial_diameter_mm))


def _round_mm(inside: np.ndarray, affine: np.ndarray, axis: int) -> float:
    across, along = (a for a in range(3) if a != axis)
    pixel_mm2 = float(np.linalg.norm(np.cross(affine[:3, across], affine[:3, along])))
    return round_diameter(np.moveaxis(inside, axis, 2), pixel_mm2)


def _core_hu(inside: np.ndarray, image: np.ndarray, axis: int) -> float:
    """Mean HU of the inner part, as in the lesions' attributes."""
    hu = np.moveaxis(image, axis, 2)[core(depth_in_slice(np.moveaxis(inside, axis, 2)))]
    hu = hu[np.isfinite(hu)]
    return float(hu.mean(dtype=np.float64)) if hu.size else float("nan")
