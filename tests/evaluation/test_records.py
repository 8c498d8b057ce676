# SPDX-License-Identifier: Apache-2.0
"""A record names its patient and its image, and judges each lesion of the answer by itself."""

import numpy as np
import pytest
from listeners import AFFINE, SHAPE

from lsms_monai.answer import Answer
from lsms_monai.components import find_components
from lsms_monai.evaluation import Case, summarize
from lsms_monai.evaluation.records import make_record

ENTRY = {"image": "/set/case_1/imaging.nii.gz", "label": "/set/case_1/label.nii.gz", "expression": "the cyst"}
FIRST, SECOND = np.s_[4:10, 8:14, 0], np.s_[20:26, 8:14, 0]


def record(probability=None, target=FIRST, unknown=None, **entry):
    """What is kept of an answer with the components of a probability map, in the predictor's order."""
    probability = np.zeros(SHAPE, np.float32) if probability is None else probability
    label, known, image = np.zeros(SHAPE, np.int32), np.ones(SHAPE, bool), np.zeros(SHAPE, np.float32)
    label[target] = 1
    if unknown is not None:
        label[unknown], known[unknown] = 0, False
    entry = {**ENTRY, **entry}
    name = entry["image"].rpartition("/")[2] + (f"#{entry['slice_index']}" if "slice_index" in entry else "")
    lesions = [component.lesion for component in find_components(probability, image, AFFINE, 0.5).items]
    lesions.sort(key=lambda lesion: -lesion.volume_ml)
    answer = Answer(entry["expression"], probability >= 0.5, lesions, existence=0.9)
    case = Case(name, image, AFFINE, label, known, [(0, entry)])
    return make_record(case, 0, "matched", answer, answer.mask, answer.mask, 0)


def sure(**places):
    probability = np.zeros(SHAPE, np.float32)
    for rate, place in places.items():
        probability[place] = float(f"0.{rate[1:]}")
    return probability


def test_slices_of_a_volume_are_images_of_one_patient():
    records = [record(slice_index=index) for index in (3, 5)]
    assert {r.patient_id for r in records} == {ENTRY["image"]}
    assert [r.case for r in records] == ["imaging.nii.gz#3", "imaging.nii.gz#5"]
    content = summarize(records)
    assert (content["num_images"], content["num_patients"]) == (2, 1)


def test_files_of_one_name_in_two_folders_are_two_images_of_two_patients():
    content = summarize([record(), record(image="/set/case_2/imaging.nii.gz")])
    assert (content["num_images"], content["num_patients"]) == (2, 2)


def test_the_patient_of_the_datalist_comes_before_the_path():
    assert record(patient_id="P1").patient_id == "P1"


@pytest.mark.parametrize(("wrong", "target"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_lesions_of_equal_size_keep_their_own_confidence(wrong, target):
    lesions = record(sure(p6=wrong, p7=target), target).lesions
    assert lesions == ((pytest.approx(0.7), True), (pytest.approx(0.6), False))


def test_a_ring_and_what_it_surrounds_keep_their_own_confidence():
    probability = sure(p7=np.s_[6:19, 6:19, 0])
    probability[8:17, 8:17] = 0
    probability[10:15, 10:15] = 0.8
    lesions = record(probability, np.s_[10:15, 10:15, 0]).lesions
    assert lesions == ((pytest.approx(0.7), False), (pytest.approx(0.8), True))


def test_a_lesion_that_the_unknown_hides_is_left_out_and_one_that_it_splits_stays_one():
    probability = sure(p6=FIRST, p7=np.s_[18:28, 8:14, 0])
    unknown = np.zeros(SHAPE, bool)
    unknown[FIRST] = unknown[22:24] = True
    assert record(probability, np.s_[18:28, 8:14, 0], unknown).lesions == ((pytest.approx(0.7), True),)


def test_an_empty_mask_has_no_lesions():
    assert record().lesions == ()
