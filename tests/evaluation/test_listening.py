# SPDX-License-Identifier: Apache-2.0
"""A reader that listens and one that does not tell themselves apart."""

import math

import numpy as np
import pytest
from listeners import EXPRESSIONS, LEFT, SHAPE, Deaf, Listener, make_case

from lsms_monai.evaluation import listen, make_wordings, summarize
from lsms_monai.evaluation.listening import count_attributes, foreign_words


def wordings(case=None, **more):
    return [make_wordings(text, "a cyst", num_paraphrases=1, **more) for text in EXPRESSIONS]


def figures(predictor):
    records = listen(predictor, make_case(), wordings())
    return {name: figure["value"] for name, figure in summarize(records)["figures"].items()}


@pytest.mark.usefixtures("paraphrased")
def test_every_expression_is_asked_in_every_wording_that_changes_it():
    side, plain = make_wordings(EXPRESSIONS[0], "a cyst"), make_wordings("all lesions")
    assert side.same_image == [
        ("matched", "the lesion in the right lobe"),
        ("empty", "liver lesion"),
        ("shuffled", "a cyst"),
        ("contradicted", "the lesion in the left lobe"),
        ("mirrored_words", "the lesion in the left lobe"),
        ("paraphrase", "show the lesion in the right lobe"),
    ]
    assert side.mirrored == "the lesion in the left lobe"
    assert [name for name, _ in plain.same_image] == ["matched", "empty", "paraphrase"]
    assert plain.mirrored is None


@pytest.mark.usefixtures("paraphrased")
def test_each_text_is_asked_once_and_the_mirrored_image_only_where_a_side_is_named():
    predictor = Listener()
    listen(predictor, make_case(), wordings())
    straight, turned = predictor.asked
    assert len(straight) == len(set(straight)) == 3 + 1 + 1 + 3
    assert turned == ["the lesion in the left lobe", "the lesion in the right lobe"]


@pytest.mark.usefixtures("paraphrased")
def test_who_listens_has_every_figure_at_its_best():
    found = figures(Listener())
    best = {"dice_named": 1, "pointing": 1, "matched_minus_shuffled": 1, "flip_success": 1, "t_acc": 1}
    assert {name: found[name] for name in best} == best
    assert found["paraphrase_flip_rate"] == found["paraphrase_found_flip_rate"] == found["hd95_mm"] == 0


@pytest.mark.usefixtures("paraphrased")
def test_who_is_deaf_gives_itself_away():
    found = figures(Deaf())
    assert found["dice_named"] < 0.8
    assert found["pointing"] == 0.5
    assert found["flip_success"] == 0
    assert found["paraphrase_flip_rate"] == 0  # never changes its mind


@pytest.mark.usefixtures("paraphrased")
def test_the_mask_of_the_mirrored_image_is_turned_back():
    records = listen(Listener(), make_case(), wordings())
    mirrored = [record for record in records if record.wording == "mirrored_image"]
    assert [record.agreement for record in mirrored] == [1, 1]
    assert [record.dice for record in mirrored] == [1, 1]


@pytest.mark.usefixtures("paraphrased")
def test_a_record_tells_what_was_asked_and_found():
    record = listen(Listener(), make_case(), wordings())[0]
    assert (record.entry, record.case, record.patient_id, record.source) == (5, "a.nii.gz", "p", "")
    assert (record.num_lesions, record.num_targets, record.num_slices) == (2, 1, 1)
    assert record.sizes == (36, 36, 36)
    assert record.mask_ml == pytest.approx(36 * 2 * 2 * 5 / 1000)
    assert record.diameter_mm == pytest.approx(2 * math.sqrt(36 * 2 * 2 / math.pi))
    assert (record.found, record.pointed, record.existence, record.coverage) == (True, True, 0.9, 1)
    assert record.lesions == ((pytest.approx(0.8), True),)


@pytest.mark.usefixtures("paraphrased")
def test_a_lesion_beside_the_target_is_a_wrong_one():
    record = listen(Deaf(), make_case(), wordings())[0]
    assert record.lesions == ((pytest.approx(0.8), True), (pytest.approx(0.8), False))


@pytest.mark.usefixtures("paraphrased")
def test_where_nobody_knows_a_mask_neither_helps_nor_harms():
    unknown = np.zeros(SHAPE, bool)
    unknown[LEFT] = True
    case = make_case([[1]], EXPRESSIONS[:1], unknown)
    case.label[unknown] = 0
    record = listen(Deaf(), case, wordings()[:1])[0]
    assert record.dice == 1
    assert record.lesions == ((pytest.approx(0.8), True),)


@pytest.mark.usefixtures("paraphrased")
def test_without_a_target_a_mask_is_false_positive_volume():
    case = make_case([[]], ["the lesion in the right lobe"])
    content = summarize(listen(Listener(), case, wordings()[:1]))
    assert content["figures"]["false_positive_ml"]["value"] == pytest.approx(36 * 0.02)
    assert content["figures"]["n_acc"]["value"] == 0
    assert content["figures"]["dice_target"]["value"] is None
    assert content["scores"]["dice"] == content["scores"]["giou"] == 0


def test_foreign_words_are_none_where_all_say_the_same():
    assert foreign_words([{"expression": "lesion"}] * 3) is None
    assert foreign_words([{"expression": "a"}, {"expression": "b"}]) == ["b", "a"]


def test_attributes_are_what_an_expression_says():
    assert count_attributes("liver lesion") == 0
    assert count_attributes("the largest cyst in the right lobe") == 3
    assert count_attributes("qwertz uiop") is None
