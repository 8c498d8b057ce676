# SPDX-License-Identifier: Apache-2.0
"""The benchmark of settings tells equal masks from unequal ones, and reads the knobs that it is given."""

import json
from pathlib import Path

import agreement
import nibabel as nib
import numpy as np
import pytest

from lsms_monai.data import phantom


@pytest.fixture
def groups(tmp_path):
    """One slice with two lesions, asked for all of them."""
    made = phantom(90_001, num_lesions=2, shape=(128, 128, 1), spacing=(3.0, 3.0, 5.0))
    for name, array in (("image", made.image), ("label", made.labels)):
        nib.save(nib.Nifti1Image(array, made.affine), tmp_path / f"{name}.nii.gz")
    entry = {**{name: str(tmp_path / f"{name}.nii.gz") for name in ("image", "label")}, "expression": "all lesions"}
    return [[(0, entry)]]


def test_equal_settings_agree_and_a_higher_threshold_leaves_less(repository, tmp_path, groups):
    same, other, strict = (
        agreement.variant(repository / "bundle", tmp_path / name, knobs)
        for name, knobs in (("a", {}), ("b", {"sw_batch_size": 1}), ("c", {"existence_threshold": 1.0}))
    )
    equal = agreement.compare(same, other, groups)
    assert (equal["mean_dice"], equal["pooled_dice"], equal["found_by_one"], equal["expressions"]) == (1, 1, 0, 1)
    assert equal["dice_with_truth"][0] > 0.5
    assert agreement.compare(same, strict, groups) == {
        **equal, "mean_dice": 0, "pooled_dice": 0, "found_by_one": 1, "clearly_different": 1,
        "dice_with_truth": [equal["dice_with_truth"][0], 0],
    }  # fmt: skip


def test_a_knob_that_is_not_there_is_named(repository, tmp_path):
    with pytest.raises(ValueError, match=r"'treshold' must be a knob of inference\.json"):
        agreement.variant(repository / "bundle", tmp_path / "a", {"treshold": 1})


def test_the_command_ends_with_one_line_where_it_cannot_read(tmp_path):
    with pytest.raises(SystemExit, match=r"^Error: .*none\.json"):
        agreement.main([str(tmp_path / "none.json")])


def test_two_empty_masks_agree():
    nothing, something = np.zeros(3, bool), np.array([True, False, False])
    assert [agreement.dice(*pair) for pair in ((nothing, nothing), (nothing, something))] == [1, 0]


@pytest.mark.slow
def test_a_line_names_both_settings(capsys, tmp_path, groups):
    entry = {name: Path(value).name if name != "expression" else value for name, value in groups[0][0][1].items()}
    (tmp_path / "list.json").write_text(json.dumps({"test": [entry]}))
    agreement.main([str(tmp_path / "list.json"), "--second", '{"bfloat16": true}'])
    line = json.loads(capsys.readouterr().out)
    assert (line["first"], line["second"], line["images"]) == ({}, {"bfloat16": True}, 1)
    assert line["mean_dice"] > 0.9
