# SPDX-License-Identifier: Apache-2.0
"""Scores of referring segmentation: every case by hand, empty ones above all."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric

from lsms_monai.metrics import ReferringMetric, mask_sizes, referring_scores, surface_scores

KEYS = ["dice", "miou", "giou", "ciou", "oiou"]
KEYS += [f"precision_at_0.{digit}" for digit in range(5, 10)] + ["n_acc", "t_acc"]
NOTHING = np.zeros(10, bool)


def first(count):
    """Mask of the first `count` of ten voxels."""
    return np.arange(10) < count


def test_the_keys_are_those_of_the_published_tables():
    assert list(referring_scores([first(3)], [first(3)])) == KEYS


def test_per_sample_means_and_pooled_scores_by_hand():
    scores = referring_scores([first(1), first(8)], [first(2), first(10)])
    assert scores["dice"] == pytest.approx((2 / 3 + 16 / 18) / 2)
    assert scores["miou"] == scores["giou"] == pytest.approx((1 / 2 + 8 / 10) / 2)
    assert scores["ciou"] == scores["oiou"] == pytest.approx((1 + 8) / (2 + 10))


def test_precision_counts_an_iou_at_the_threshold():
    scores = referring_scores([first(1), first(8)], [first(2), first(10)])
    assert [scores[f"precision_at_0.{digit}"] for digit in range(5, 10)] == [1.0, 0.5, 0.5, 0.5, 0.0]


def test_an_empty_target_rightly_left_empty_scores_one():
    scores = referring_scores([NOTHING], [NOTHING])
    assert [scores[key] for key in ("dice", "miou", "giou", "n_acc")] == [1, 1, 1, 1]
    assert all(math.isnan(scores[key]) for key in ("ciou", "oiou", "t_acc", "precision_at_0.5"))


def test_a_hallucinated_mask_never_scores():
    scores = referring_scores([first(4)], [NOTHING])
    assert [scores[key] for key in (*KEYS[:5], "n_acc")] == [0] * 6


def test_the_area_of_a_hallucinated_mask_goes_into_the_pooled_union():
    scores = referring_scores([first(6), first(4)], [first(6), NOTHING])
    assert scores["giou"] == 0.5
    assert scores["ciou"] == pytest.approx(6 / (6 + 4))
    assert (scores["n_acc"], scores["t_acc"]) == (0, 1)


def test_precision_and_t_acc_ask_only_samples_with_a_target():
    scores = referring_scores([first(6), NOTHING, NOTHING], [first(6), first(3), NOTHING])
    assert (scores["precision_at_0.9"], scores["t_acc"], scores["n_acc"]) == (0.5, 0.5, 1)
    assert scores["giou"] == pytest.approx(2 / 3)


def test_without_a_sample_every_score_is_nan():
    assert all(math.isnan(value) for value in referring_scores([], []).values())


def test_dice_is_that_of_monai_with_empty_samples_kept():
    generator = torch.Generator().manual_seed(0)
    y_pred, y = (torch.rand(2, 5, 1, 7, 11, generator=generator) > 0.6).float()
    y[3] = 0
    expected = DiceMetric(ignore_empty=False)
    expected(y_pred, y)
    assert referring_scores(y_pred, y)["dice"] == pytest.approx(expected.aggregate().item())


@pytest.mark.parametrize(
    ("preds", "labels", "message"),
    [
        ([NOTHING], [], "preds and labels must be equally many, got 1 and 0"),
        ([NOTHING], [NOTHING[:7]], r"sample 0 must have one shape, got \(10,\) and \(7,\)"),
        ([NOTHING], [np.full(10, 2)], r"label 0 must be boolean or 0 and 1, got \[2\]; threshold it first"),
        ([np.full(10, 0.3)], [NOTHING], r"pred 0 must be boolean or 0 and 1, got \[0.3\]"),
    ],
)
def test_what_cannot_be_scored_is_refused(preds, labels, message):
    with pytest.raises(ValueError, match=message):
        referring_scores(preds, labels)


def test_the_metric_of_batches_is_the_score_of_all_samples():
    generator = torch.Generator().manual_seed(0)
    y_pred, y = (torch.rand(2, 5, 1, 7, 11, generator=generator) > 0.6).float()
    metric = ReferringMetric()
    for batch in (slice(0, 2), slice(2, 5)):
        metric(y_pred=list(y_pred[batch]), y=list(y[batch]))
    assert metric.aggregate() == pytest.approx(referring_scores(y_pred, y), nan_ok=True)


def test_the_metric_needs_the_truth():
    with pytest.raises(ValueError, match="y, the truth, is required, got None"):
        ReferringMetric()(y_pred=torch.ones(1, 1, 2, 2))


def test_sizes_are_counted_in_voxels():
    assert mask_sizes(first(7), first(3)) == (3, 7, 3)


def bar(start):
    """A bar of 5 by 5 voxels in a slice, from `start` on along the first axis."""
    mask = np.zeros((23, 19, 1), bool)
    mask[start : start + 5, 4:9] = True
    return mask


def test_distances_are_in_mm_along_each_axis():
    assert surface_scores(bar(3), bar(3), (2.0, 1.0, 5.0)) == {"hd95_mm": 0, "nsd": 1}
    assert surface_scores(bar(3), bar(11), (2.0, 1.0, 5.0))["hd95_mm"] == 2.0 * 8
    across = [mask.transpose(1, 0, 2) for mask in (bar(3), bar(11))]
    assert surface_scores(*across, (2.0, 1.0, 5.0))["hd95_mm"] == 1.0 * 8


def test_nsd_forgives_the_tolerance():
    assert surface_scores(bar(3), bar(4), (1.0, 1.0, 5.0), tolerance_mm=1.0)["nsd"] == 1
    assert surface_scores(bar(3), bar(4), (1.5, 1.0, 5.0), tolerance_mm=1.0)["nsd"] < 1


def test_a_distance_needs_two_surfaces():
    empty = np.zeros_like(bar(3))
    for pair in ((bar(3), empty), (empty, bar(3))):
        scores = surface_scores(*pair, (1, 1, 1))
        assert math.isnan(scores["hd95_mm"])
        assert scores["nsd"] == 0
    assert all(math.isnan(value) for value in surface_scores(empty, empty, (1, 1, 1)).values())
