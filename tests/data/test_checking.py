# SPDX-License-Identifier: Apache-2.0
"""Wrong entries of a datalist are reported with their place; what nobody can judge is only counted."""

import json

import nibabel
import numpy as np
import pytest

from lsms_monai.data.checking import check_datalist

ENTRY = {"image": "ct.nii.gz", "label": "lesions.nii.gz"}


@pytest.fixture
def check(tmp_path):
    """Check entries about a CT with a large dark lesion on the right (1) and a small bright one on the left (2)."""
    image = np.full((90, 72, 4), -1000, np.int16)
    image[4:86, 5:66] = 100
    labels = np.zeros(image.shape, np.uint8)
    labels[15:24, 25:34, :2], labels[60:64, 24:28, 1:] = 1, 2
    image[labels == 1], image[labels == 2] = 40, 170
    for name, array in (("ct", image), ("lesions", labels)):
        nibabel.save(nibabel.Nifti1Image(array, np.diag((-4.0, -4.0, 5.0, 1.0))), tmp_path / f"{name}.nii.gz")

    def of(*entries):
        path = tmp_path / "list.json"
        path.write_text(json.dumps({"training": [{**ENTRY, **entry} for entry in entries]}))
        return check_datalist(path)

    return of


@pytest.mark.parametrize(
    "entry",
    [
        {"expression": "the largest lesion", "label_value": 1},
        {"expression": "the hyperdense lesion in the left lobe", "label_value": [2]},
        {"expression": "the cyst", "label_value": []},
        {"expression": "all lesions"},
        {"expression": "the lesion", "label_value": [2], "slice_index": 3},
        {"expression": "the lesion in the right lobe", "label_value": [], "slice_index": 3},
    ],
)
def test_right_entries_pass(entry, check):
    found = check(entry)
    assert (found.problems, found.num_entries) == ([], 1)
    assert (found.num_not_understood, found.num_undecided) == (0, 0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"expression": "the cyst", "label_value": 2}, '"the cyst" matches nothing, label_value says [2]'),
        ({"expression": "the largest lesion", "label_value": 2}, 'lesion" matches [1], label_value says [2]'),
        ({"expression": "all lesions", "label_value": 2}, 'lesions" matches [1, 2], label_value says [2]'),
        ({"expression": "the nodule under 6 cm", "label_value": 2}, "matches [1, 2], label_value says [2]"),
        ({"expression": "the lesion", "label_value": 3}, "label_value must be in the label, got [3]; it holds [1, 2]"),
        (
            {"expression": "the lesion", "label_value": 1, "slice_index": 3},
            "label_value must be in slice 3 of the label, got [1]; it holds [2]",
        ),
        ({"expression": "the lesion", "slice_index": 4}, "slice_index must lie in 0..3, got 4"),
        ({"expression": ""}, '"expression" must be a text that is not empty'),
        ({"expression": "the lesion", "label": "nowhere.nii"}, '"label" must exist'),
    ],
)
def test_wrong_entries_are_named(entry, message, check):
    (problem,) = check({"expression": "all lesions"}, entry).problems
    assert problem.startswith('section "training", entry 1: ')
    assert message in problem


def test_what_a_place_in_the_organ_says_is_judged_by_the_mask_of_the_organ(check, tmp_path):
    organ = np.zeros((90, 72, 4), np.uint8)
    organ[10:70, 10:60] = 1
    nibabel.save(nibabel.Nifti1Image(organ, np.diag((-4.0, -4.0, 5.0, 1.0))), tmp_path / "liver.nii.gz")
    right, wrong = (
        {"expression": f"the {capsule} lesion in the right lobe", "label_value": 1}
        for capsule in ("central", "subcapsular")
    )
    assert check(right, wrong).num_undecided == 2
    found = check({**right, "organ": "liver.nii.gz"}, {**wrong, "organ": "liver.nii.gz"})
    assert found.num_undecided == 0
    (problem,) = found.problems
    assert 'entry 1: expression "the subcapsular lesion in the right lobe" matches' in problem


def test_a_label_that_cannot_be_read_is_named(check, tmp_path):
    (tmp_path / "broken.nii").write_bytes(b"no image" * 99)
    (problem,) = check({"expression": "the lesion", "label": "broken.nii"}).problems
    assert "must be a NIfTI image that can be read" in problem


def test_a_mask_of_255_alone_is_named_unless_nothing_is_meant(check, tmp_path):
    file = nibabel.load(tmp_path / "lesions.nii.gz")
    mask = (np.asanyarray(file.dataobj) > 0) * np.uint8(255)
    nibabel.save(nibabel.Nifti1Image(mask, file.affine), tmp_path / "lesions.nii.gz")
    (problem,) = check({"expression": "all lesions"}, {"expression": "all lesions", "label_value": []}).problems
    assert 'section "training", entry 0: label must hold lesions as 1 or 1..n, got 255 alone' in problem


def test_what_nobody_can_judge_is_counted(check):
    found = check(
        {"expression": "the lesion described last week", "label_value": 1},
        {"expression": "the subcapsular lesion", "label_value": 1},
        {"expression": "the rim-enhancing lesion", "label_value": 1},
    )
    assert (found.problems, found.num_not_understood, found.num_undecided) == ([], 1, 2)


def test_a_patient_in_two_sections_is_refused(tmp_path):
    entry = {**ENTRY, "expression": "the cyst", "patient_id": "P1"}
    (tmp_path / "list.json").write_text(json.dumps({"training": [entry], "test": [entry]}))
    with pytest.raises(ValueError, match='"P1" must stand in one section'):
        check_datalist(tmp_path / "list.json")
