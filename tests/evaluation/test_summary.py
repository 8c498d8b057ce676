# SPDX-License-Identifier: Apache-2.0
"""Every figure from rows written by hand."""

import pytest

from lsms_monai.evaluation import Record, summarize
from lsms_monai.evaluation.summary import FIGURES, STRATA, Table, figure_values, size_stratum

DEFAULTS = {
    "entry": 0,
    "case": "a",
    "image": "a",
    "label": "b",
    "patient_id": "p",
    "source": "",
    "expression": "the lesion in the right lobe",
    "wording": "matched",
    "text": "",
    "num_attributes": 1,
    "num_slices": 1,
    "num_lesions": 2,
    "num_targets": 1,
    "diameter_mm": 15.0,
    "intersection": 10,
    "mask_voxels": 10,
    "label_voxels": 10,
    "mask_ml": 0.2,
    "existence": 0.9,
    "found": True,
    "pointed": True,
    "agreement": 1.0,
    "hd95_mm": 1.0,
    "nsd": 1.0,
    "lesions": (),
    "duration_s": 0.0,
}
MISSED = {"intersection": 0, "mask_voxels": 0, "found": False, "mask_ml": 0.0, "agreement": 0.0, "pointed": False}
NO_TARGET = {"intersection": 0, "label_voxels": 0, "num_targets": 0, "pointed": None}
FLIPPED = [
    {"wording": "mirrored_words", "intersection": 0, "agreement": 0.0},
    {"wording": "mirrored_image", "agreement": 0.9},
]


def rows(*changes):
    return [Record(**{**DEFAULTS, **change}) for change in changes]


def value(name, *changes):
    return summarize(rows(*changes))["figures"][name]["value"]


def test_every_figure_is_computed_and_described():
    assert list(figure_values(Table(rows({})))) == list(FIGURES)


def test_images_are_told_apart_by_path_label_and_slice():
    changes = [{}, {}, {"image": "other/a"}, {"label": "c"}, {"case": "a#0"}, {"case": "a#1"}]
    assert summarize(rows(*changes))["num_images"] == 5


def test_a_choice_leaves_a_lesion_out():
    named = [{"num_targets": 1}, {"num_targets": 2}, {"num_lesions": 1}]
    assert [row.is_choice for row in rows(*named)] == [True, False, False]
    assert summarize(rows(*named))["figures"]["dice_named"]["num_samples"] == 1


def test_the_mirrored_words_must_leave_and_the_mirrored_image_must_answer():
    stays = {**FLIPPED[0], "intersection": 5}
    elsewhere = {**FLIPPED[1], "agreement": 0.4}
    assert value("flip_success", {}, *FLIPPED) == 1
    assert value("flip_success", {}, stays, FLIPPED[1]) == 0
    assert value("flip_success", {}, FLIPPED[0], elsewhere) == 0


def test_a_silent_system_passes_no_flip_test():
    assert value("flip_success", MISSED, *FLIPPED) is None
    assert value("flip_success", {}) is None


def test_matched_and_shuffled_are_compared_entry_by_entry():
    other = {"entry": 1, "intersection": 5}
    shuffled = [{"wording": "shuffled", **MISSED}, {**other, "wording": "shuffled"}]
    assert value("matched_minus_shuffled", {}, other, *shuffled) == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize(
    ("change", "flips", "found_flips"),
    [({}, 0, 0), ({"agreement": 0.3}, 1, 0), (MISSED, 1, 1)],
)
def test_a_paraphrase_flips_by_its_mask_or_by_found(change, flips, found_flips):
    other = {"wording": "paraphrase", **change}
    assert value("paraphrase_flip_rate", {}, other) == flips
    assert value("paraphrase_found_flip_rate", {}, other) == found_flips


def test_the_worst_wording_counts():
    others = [{"wording": "paraphrase", "intersection": n} for n in (9, 4, 8)]
    assert value("paraphrase_worst_dice", {}, *others) == pytest.approx(0.4)


def test_false_positives_are_counted_for_each_slice():
    assert value("false_positive_ml", {**NO_TARGET, "mask_ml": 3.0, "num_slices": 6}) == 0.5


def test_the_threshold_is_chosen_here_or_given():
    scores = [{"existence": s, "entry": i} for i, s in enumerate((0.2, *[0.8] * 19))]
    scores += [{**NO_TARGET, "existence": s, "entry": 30} for s in (0.1, 0.5, 0.9)]
    here, given = (summarize(rows(*scores), threshold=t)["existence"] for t in (None, 0.15))
    assert (here["threshold"], here["t_acc"], here["n_acc"]) == (0.8, 0.95, pytest.approx(2 / 3))
    assert (given["threshold"], given["t_acc"], given["n_acc"]) == (0.15, 1, pytest.approx(1 / 3))
    assert (here["threshold_is_given"], given["threshold_is_given"]) == (False, True)
    assert here["auroc"] == pytest.approx((20 + 19 + 0) / 60)


@pytest.mark.parametrize(("diameter_mm", "stratum"), [(9.9, 0), (10, 1), (20, 2), (39, 2), (40, 3), (110, 3)])
def test_strata_begin_at_their_limit(diameter_mm, stratum):
    assert size_stratum(rows({"diameter_mm": diameter_mm})[0]) == STRATA[stratum]
    assert size_stratum(rows({"diameter_mm": float("nan")})[0]) is None


def test_groups_hold_expressions_with_a_target_in_their_order():
    content = summarize(
        rows({"diameter_mm": 50.0}, {"diameter_mm": 5.0, "intersection": 5}, {**NO_TARGET, "diameter_mm": 15.0})
    )
    sizes = content["groups"]["size"]
    assert list(sizes) == ["< 10 mm", "> 40 mm"]
    assert sizes["< 10 mm"]["dice"]["value"] == 0.5
    assert content["groups"]["words"]["4-6"]["dice"]["num_samples"] == 2


def test_only_the_matched_wording_is_scored_and_calibrated():
    lesions = {"lesions": ((0.8, True),)}
    content = summarize(rows(lesions, {**MISSED, "wording": "shuffled"}))
    assert content["scores"]["dice"] == 1
    assert content["calibration"]["num_lesions"] == 1
    assert content["wordings"]["shuffled"]["dice"]["value"] == 0
