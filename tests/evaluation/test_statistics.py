# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from lsms_monai.evaluation.statistics import auroc, calibration, estimate, finite, threshold_for


def test_a_patient_with_many_slices_counts_once():
    made = estimate([("a", 1.0)] * 9 + [("b", 0.0)])
    assert (made.value, made.num_samples, made.num_patients) == (0.5, 10, 2)


def test_the_interval_holds_the_mean_and_narrows_with_patients():
    values = np.random.default_rng(0).random(400)
    few, many = (estimate([(str(i), v) for i, v in enumerate(values[:n])]) for n in (20, 400))
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    # the half width of a mean of uniform numbers
    assert (many.high - many.low) / 2 == pytest.approx(1.96 * math.sqrt(1 / 12 / 400), rel=0.2)


def test_the_same_seed_gives_the_same_interval():
    values = [(str(i), i / 7) for i in range(8)]
    assert estimate(values, 3) == estimate(values, 3)
    assert estimate(values, 3) != estimate(values, 4)


def test_one_patient_has_no_interval_and_none_no_mean():
    assert estimate([("a", 0.5)]).to_dict() == {
        "value": 0.5,
        "low": None,
        "high": None,
        "num_samples": 1,
        "num_patients": 1,
    }
    assert estimate([]).to_dict()["value"] is None


def test_values_that_are_nan_are_left_out():
    assert estimate([("a", 0.5), ("b", float("nan"))]).num_samples == 1


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [([3, 4], [1, 2], 1.0), ([1, 2], [3, 4], 0.0), ([1, 1], [1, 1], 0.5), ([1, 3], [2], 0.5)],
)
def test_auroc_by_hand(positive, negative, expected):
    assert auroc(positive, negative) == expected


def test_auroc_needs_both_kinds():
    assert math.isnan(auroc([], [1]))
    assert math.isnan(auroc([1], []))


@pytest.mark.parametrize("count", [1, 7, 20, 59])
def test_the_threshold_is_the_highest_that_lets_the_rate_through(count):
    scores = np.random.default_rng(count).random(count)
    threshold = threshold_for(scores, 0.95)
    assert np.mean(scores >= threshold) >= 0.95
    assert np.mean(scores > threshold) < 0.95
    assert math.isnan(threshold_for([]))


def test_calibration_by_hand():
    made = calibration([(0.95, True), (0.95, False), (0.65, True), (1.0, True)])
    assert [(b["count"], b["accuracy"]) for b in made["bins"]] == [(1, 1.0), (3, pytest.approx(2 / 3))]
    mean = (0.95 + 0.95 + 1.0) / 3
    assert made["ece"] == pytest.approx((1 * 0.35 + 3 * (mean - 2 / 3)) / 4)
    assert made["brier"] == pytest.approx((0.05**2 + 0.95**2 + 0.35**2) / 4)


def test_without_lesions_there_is_no_calibration():
    assert calibration([]) == {"num_lesions": 0, "ece": None, "brier": None, "bins": []}


def test_json_has_no_word_for_nan():
    assert [finite(x) for x in (float("nan"), float("inf"), 0.5, "a", None)] == [None, None, 0.5, "a", None]
