# SPDX-License-Identifier: Apache-2.0
"""The scores of referring segmentation, per sample and pooled, and distances between surfaces in mm."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric, compute_hausdorff_distance, compute_surface_dice
from torch import Tensor

PRECISION_IOUS = (0.5, 0.6, 0.7, 0.8, 0.9)
TOLERANCE_MM = 2.0  # of NSD, as in the CVPR 2025 text-guided challenge


def referring_scores(preds: Sequence[Any], labels: Sequence[Any]) -> dict[str, float]:
    """Score masks against what the expressions mean, by the names of both families that published tables use.

    A sample whose expression has no target counts as in GRES (Liu et al., https://arxiv.org/abs/2306.00968): without a
    mask it scores 1, with a hallucinated mask 0, and that mask's area goes into the pooled union.

    - `dice`, `miou`: means over all samples. `giou` is what gRefCOCO calls the same mean as `miou`.
    - `ciou` (gRefCOCO), `oiou` (RefCOCO): sum of all intersections over sum of all unions, one number by two names.
    - `precision_at_0.5` ... `precision_at_0.9`: rate of IoU >= that, over the samples with a target.
    - `n_acc`: rate of empty masks over the samples without a target; `t_acc`: of masks with any voxel over the others.

    Args:
        preds: masks of any shape, boolean or 0 and 1.
        labels: as many truths, each in the shape of its mask; without a voxel where the expression has no target.

    Returns:
        The scores, nan where no sample (for the pooled ones: no voxel) tells.

    Raises:
        ValueError: if the numbers of masks and truths differ, a shape does, or a value is neither 0 nor 1.

    Example:
        >>> scores = referring_scores([[True, True], [False, True]], [[True, False], [False, False]])
        >>> scores["miou"], scores["oiou"], scores["n_acc"], scores["t_acc"]
        (0.25, 0.3333333333333333, 0.0, 1.0)
    """
    if len(preds) != len(labels):
        raise ValueError(f"preds and labels must be equally many, got {len(preds)} and {len(labels)}; pair them")
    pairs = enumerate(zip(preds, labels, strict=True))
    return scores_of_sizes([mask_sizes(pred, label, number) for number, (pred, label) in pairs])


def mask_sizes(pred: Any, label: Any, number: int = 0) -> tuple[int, int, int]:
    """Count the voxels of the intersection, of the mask and of the truth: all that `referring_scores` needs.

    Args:
        pred: mask of any shape, boolean or 0 and 1.
        label: truth of the same shape.
        number: of the sample, for the message of an error.

    Raises:
        ValueError: if the shapes differ, or a value is neither 0 nor 1.
    """
    pred, label = _boolean(pred, f"pred {number}"), _boolean(label, f"label {number}")
    if pred.shape != label.shape:
        raise ValueError(
            f"pred and label of sample {number} must have one shape, got {pred.shape} and {label.shape}; "
            "bring both onto the same voxels"
        )
    return int(np.count_nonzero(pred & label)), int(np.count_nonzero(pred)), int(np.count_nonzero(label))


def scores_of_sizes(sizes: Sequence[Sequence[int]]) -> dict[str, float]:
    """Give `referring_scores` of samples of which only the sizes were kept.

    Args:
        sizes: (intersection, mask, truth) in voxels for each sample, see `mask_sizes`.
    """
    intersection, pred, label = np.asarray(sizes, dtype=np.float64).reshape(-1, 3).T
    union = pred + label - intersection
    has_target = label > 0
    with np.errstate(invalid="ignore"):  # both empty: 0 / 0
        iou = np.where(union > 0, intersection / union, 1.0)
        dice = np.where(union > 0, 2 * intersection / (pred + label), 1.0)
    pooled = float(intersection.sum() / union.sum()) if union.sum() else float("nan")
    return {
        "dice": _mean(dice),
        "miou": _mean(iou),
        "giou": _mean(iou),
        "ciou": pooled,
        "oiou": pooled,
        **{f"precision_at_{least}": _mean(iou[has_target] >= least) for least in PRECISION_IOUS},
        "n_acc": _mean(pred[~has_target] == 0),
        "t_acc": _mean(pred[has_target] > 0),
    }


def surface_scores(
    pred: np.ndarray, label: np.ndarray, spacing_mm: Sequence[float], tolerance_mm: float = TOLERANCE_MM
) -> dict[str, float]:
    """Measure how far the surface of a mask lies from that of the truth, by MONAI.

    Axes of one voxel are left out: a single slice has contours, not surfaces.

    Args:
        pred: bool, two or three axes longer than one voxel.
        label: bool, of the same shape.
        spacing_mm: size of a voxel along each axis.
        tolerance_mm: what NSD forgives.

    Returns:
        `hd95_mm`: 95th percentile of the Hausdorff distance, nan unless both have a voxel; `nsd`: normalized surface
        Dice, nan if neither has a voxel, 0 if one has.
    """
    if not (pred.any() and label.any()):
        return {"hd95_mm": float("nan"), "nsd": 0.0 if pred.any() or label.any() else float("nan")}
    axes = [axis for axis in range(pred.ndim) if pred.shape[axis] > 1]
    spacing = [float(spacing_mm[axis]) for axis in axes]
    shape = (1, 1, *(pred.shape[axis] for axis in axes))
    y_pred, y = (torch.as_tensor(mask.reshape(shape), dtype=torch.float32) for mask in (pred, label))
    distance = compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95, spacing=spacing)
    nsd = compute_surface_dice(y_pred, y, [tolerance_mm], include_background=True, spacing=spacing)
    return {"hd95_mm": float(distance), "nsd": float(nsd)}


class ReferringMetric(CumulativeIterationMetric):
    """`referring_scores` over the batches of an epoch; of each sample only three sizes are kept.

    Example:
        >>> metric = ReferringMetric()
        >>> _ = metric(y_pred=torch.ones(2, 1, 4, 4), y=torch.ones(2, 1, 4, 4))
        >>> metric.aggregate()["oiou"]
        1.0
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        if y is None:
            raise ValueError("y, the truth, is required, got None")
        sizes = [mask_sizes(pred, label) for pred, label in zip(y_pred.cpu(), y.cpu(), strict=True)]
        return torch.tensor(sizes, dtype=torch.int64)

    def aggregate(self) -> dict[str, float]:
        """Give the scores of all samples so far."""
        sizes = self.get_buffer()
        return scores_of_sizes([] if sizes is None else sizes.tolist())


def _boolean(mask: Any, name: str) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype != bool:
        values = np.unique(mask)
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"{name} must be boolean or 0 and 1, got {values[:5].tolist()}; threshold it first")
        mask = mask.astype(bool)
    return mask


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
