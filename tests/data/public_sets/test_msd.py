# SPDX-License-Identifier: Apache-2.0
"""Decathlon and LiTS volumes become datalists that load."""

import json
import re

import numpy as np
import pytest
from trees import (
    AFFINE,
    all_entries,
    blocks,
    entries_of,
    every_patient,
    patients,
    read,
    save,
    write_msd,
)

from lsms_monai.data.public_sets import Options, msd_cases, write_datalist


@pytest.mark.parametrize("listed", [True, False])
def test_msd_volumes_get_instance_maps_and_expressions(tmp_path, out, listed):
    cases = msd_cases(write_msd(tmp_path / "Task03", listed=listed))
    result = write_datalist(cases, out, options=Options(num_expressions=4))
    sections = entries_of(out)
    assert result.num_entries == {name: len(entries) for name, entries in sections.items()}
    assert sum(map(len, patients(sections).values())) == 4
    for entry in all_entries(out):
        labels, affine = read(entry["label"])
        np.testing.assert_array_equal(labels, blocks(1) if entry["patient_id"] == "liver_0" else blocks(1, 2))
        np.testing.assert_allclose(affine, AFFINE, atol=1e-5)


def test_lits_names_are_paired_wherever_the_files_lie(tmp_path, out):
    names = ("batch 1/volume-{}.nii", "batch 2/segmentation-{}.nii")
    write_datalist(msd_cases(write_msd(tmp_path, 3, names, listed=False)), out)
    assert every_patient(out) == ["volume-0", "volume-1", "volume-2"]


def test_slices_have_an_index_and_some_show_no_lesion(tmp_path, out):
    write_datalist(msd_cases(write_msd(tmp_path / "Task03", 3)), out, options=Options(3, slices=True))
    entries = all_entries(out)
    for entry in entries:
        shown = set(np.unique(read(entry["label"])[0][:, :, entry["slice_index"]])) - {0}
        assert set(entry["label_value"]) <= shown
    assert {entry["slice_index"] for entry in entries} == set(range(5))


def test_the_image_of_msd_stays_where_it_is(tmp_path):
    folder = write_msd(tmp_path / "Task03", 3)
    write_datalist(msd_cases(folder), folder / "datalist.json")
    written = json.loads((folder / "datalist.json").read_text())["training"][0]
    assert re.fullmatch(r"imagesTr/liver_\d.nii.gz", written["image"])
    assert re.fullmatch(r"datalist_files/liver_\d_lesions.nii.gz", written["label"])


def test_values_that_a_liver_label_does_not_have_are_named(tmp_path, out):
    folder = write_msd(tmp_path / "Task03", 3)
    save(folder / "labelsTr" / "liver_1.nii.gz", blocks(1) * 7)
    message = r"got 1 that are not; .* --skip-corrupt: liver_1: .*must hold 0, 1 \(liver\) and 2 \(lesion\), got \[7\]"
    with pytest.raises(ValueError, match=message):
        write_datalist(msd_cases(folder), out)
    assert not list(out.parent.glob("*"))


def test_a_label_of_another_shape_or_place_is_named(tmp_path, out):
    folder = write_msd(tmp_path / "Task03", 2)
    save(folder / "labelsTr" / "liver_0.nii.gz", blocks(1)[1:])
    moved = AFFINE.copy()
    moved[0, 3] = 20
    save(folder / "labelsTr" / "liver_1.nii.gz", blocks(1), moved)
    with pytest.raises(ValueError, match=r"must have the same shape, got \(59, 48, 5\).*corners 20.0 mm apart"):
        write_datalist(msd_cases(folder), out)


def test_a_broken_dataset_json_is_named(tmp_path):
    (tmp_path / "dataset.json").write_text('{"training": [{"image": "a.nii.gz"}]}')
    with pytest.raises(ValueError, match=r'dataset.json must hold a list "training" .* got KeyError\(.label.\)'):
        msd_cases(tmp_path)
