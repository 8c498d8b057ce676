# SPDX-License-Identifier: Apache-2.0
"""One row for each image, expression and wording: all figures of a report are made of these."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from lsms_monai.answer import Answer
from lsms_monai.data.diameter import round_diameter
from lsms_monai.evaluation.cases import Case
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, PATIENT_ID
from lsms_monai.metrics import mask_sizes, scores_of_sizes, surface_scores


@dataclass(frozen=True)
class Record:
    """What the system answered to one wording of one expression about one image.

    Args:
        entry: number in the section of the datalist.
        case: file name of the image, with "#" and the slice where it is one of a volume.
        image: path of the image; one image is told from another by this, the label and the slice.
        label: path of the label.
        patient_id: unit of the statistics; the path of the image where the datalist names no patient.
        source: `study_id` of the datalist, "" where there is none.
        expression: words of the datalist.
        wording: how they were changed, see `lsms_monai.evaluation.listening`.
        text: words that were asked.
        num_attributes: how many things the expression says of the lesion; None where its grammar is not understood.
        num_slices: axial slices of the image.
        num_lesions: lesions in the image.
        num_targets: how many of them the expression of the datalist means.
        diameter_mm: of the circle with the area of the target's largest axial section; nan unless one lesion is meant.
        intersection: voxels of the mask inside the target.
        mask_voxels: voxels of the mask.
        label_voxels: voxels of the target.
        mask_ml: volume of the mask.
        existence: the system's score that there is a target.
        found: whether it says so.
        pointed: whether the lesion that the mask overlaps best (by Dice) is meant; None where none or all are meant.
        agreement: Dice of this mask and the one to the matched wording; 1 where both are empty.
        hd95_mm: see `surface_scores`; only for the matched wording.
        nsd: likewise.
        lesions: confidence of each lesion of the answer, and whether most of what is known of it lies in the target;
            only for the matched wording, without lesions that lie where nobody knows.
        duration_s: seconds for this answer.
    """

    entry: int
    case: str
    image: str
    label: str
    patient_id: str
    source: str
    expression: str
    wording: str
    text: str
    num_attributes: int | None
    num_slices: int
    num_lesions: int
    num_targets: int
    diameter_mm: float
    intersection: int
    mask_voxels: int
    label_voxels: int
    mask_ml: float
    existence: float
    found: bool
    pointed: bool | None
    agreement: float
    hd95_mm: float
    nsd: float
    lesions: tuple[tuple[float, bool], ...]
    duration_s: float

    @property
    def has_target(self) -> bool:
        """Whether the expression of the datalist means anything on this image."""
        return self.label_voxels > 0

    @property
    def is_choice(self) -> bool:
        """Whether the expression means some lesions of the image and not others."""
        return 0 < self.num_targets < self.num_lesions

    @property
    def dice(self) -> float:
        """Dice of mask and target; without a target 1 for an empty mask, else 0."""
        return scores_of_sizes([self.sizes])["dice"]

    @property
    def coverage(self) -> float:
        """Rate of the target that the mask covers."""
        return self.intersection / self.label_voxels if self.label_voxels else float("nan")

    @property
    def sizes(self) -> tuple[int, int, int]:
        """What `scores_of_sizes` takes."""
        return self.intersection, self.mask_voxels, self.label_voxels

    def to_dict(self) -> dict[str, Any]:
        """Row of a table."""
        row = asdict(self)
        confidences = " ".join(f"{confidence:.3f}{'+' if hit else '-'}" for confidence, hit in row.pop("lesions"))
        return {**row, "dice": self.dice, "lesions": confidences}


def make_record(
    case: Case,
    number: int,
    wording: str,
    answer: Answer,
    mask: np.ndarray,
    matched: np.ndarray,
    num_attributes: int | None,
) -> Record:
    """Compare one answer with the truth.

    Args:
        case: the image.
        number: of the entry.
        wording: how the words were changed.
        answer: what the system said.
        mask: of the answer on the voxels of `case`, turned back where the image was mirrored.
        matched: mask to the unchanged words.
        num_attributes: see `Record`.
    """
    entry, values = case.entry(number), case.meant(number)
    truth, mask = case.truth(number), mask & case.known
    intersection, mask_voxels, label_voxels = mask_sizes(mask, truth)
    is_matched = wording == "matched"
    surface = surface_scores(mask, truth, case.spacing_mm) if is_matched and label_voxels else {}
    voxel_ml = abs(np.linalg.det(case.affine[:3, :3])) / 1000
    return Record(
        entry=number,
        case=case.name,
        image=str(entry[IMAGE]),
        label=str(entry[LABEL]),
        patient_id=str(entry.get(PATIENT_ID, entry[IMAGE])),
        source=str(entry.get("study_id", "")),
        expression=entry[EXPRESSION],
        wording=wording,
        text=answer.expression,
        num_attributes=num_attributes,
        num_slices=case.image.shape[2],
        num_lesions=len(case.values),
        num_targets=len(values),
        diameter_mm=round_diameter(truth, math.prod(case.spacing_mm[:2])) if len(values) == 1 else float("nan"),
        intersection=intersection,
        mask_voxels=mask_voxels,
        label_voxels=label_voxels,
        mask_ml=mask_voxels * voxel_ml,
        existence=float(answer.existence),
        found=bool(answer.found),
        pointed=_best_overlap(mask, case) in values if 0 < len(values) < len(case.values) else None,
        agreement=scores_of_sizes([mask_sizes(mask, matched & case.known)])["dice"],
        hd95_mm=surface.get("hd95_mm", float("nan")),
        nsd=surface.get("nsd", float("nan")),
        lesions=_judged_lesions(answer, case, truth) if is_matched else (),
        duration_s=answer.duration_s,
    )


def _best_overlap(mask: np.ndarray, case: Case) -> int:
    """Value of the lesion with the highest Dice, 0 where the mask touches none."""
    length = max(case.values) + 1
    inside = np.bincount(case.label[mask], minlength=length)
    sizes = np.bincount(case.label.ravel(), minlength=length)
    dice = 2 * inside / (np.count_nonzero(mask) + sizes)
    dice[0] = 0
    return int(dice.argmax())


def _judged_lesions(answer: Answer, case: Case, truth: np.ndarray) -> tuple[tuple[float, bool], ...]:
    """Confidence of each lesion and whether most of what is known of it lies in the target."""
    if not answer.found:
        return ()
    labels, count = ndimage.label(answer.mask, structure=np.ones((3, 3, 3)))
    component = labels[answer.mask] - 1
    sizes, known, inside = (
        np.bincount(component, weights, minlength=count)
        for weights in (None, case.known[answer.mask], truth[answer.mask])
    )
    centroids = np.stack([np.bincount(component, axis) / sizes for axis in np.nonzero(answer.mask)], axis=1)
    centroids_mm = centroids @ case.affine[:3, :3].T + case.affine[:3, 3]
    sides_mm = np.cbrt(sizes * abs(np.linalg.det(case.affine[:3, :3])))  # tell a ring from what it surrounds
    places = [(*lesion.centroid_mm, np.cbrt(1000 * lesion.volume_ml)) for lesion in answer.lesions]
    nearest = cdist(places, np.column_stack([centroids_mm, sides_mm])).argmin(axis=1)
    return tuple(
        (float(lesion.confidence), bool(2 * inside[i] > known[i]))
        for lesion, i in zip(answer.lesions, nearest, strict=True)
        if known[i]
    )
