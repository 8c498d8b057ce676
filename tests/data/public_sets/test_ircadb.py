# SPDX-License-Identifier: Apache-2.0
"""Folders of DICOM masks become one label map on the voxels of the series."""

import shutil

import numpy as np
import pytest
from trees import all_entries, blocks, read, write_ircadb, write_mask_dicom

from lsms_monai.data.public_sets import Options, ircadb_cases, write_datalist


@pytest.fixture
def ircadb(tmp_path, dicom):
    return write_ircadb(tmp_path / "3Dircadb1", dicom)


def test_ircadb_masks_become_one_map_on_the_voxels_of_the_series(ircadb, out):
    write_datalist(ircadb_cases(ircadb), out, options=Options(2))
    entries = {entry["patient_id"]: entry for entry in all_entries(out)}
    expected = {"3Dircadb1.1": blocks(1, 2), "3Dircadb1.2": blocks(1, 2), "3Dircadb1.3": blocks()}
    assert entries.keys() == expected.keys()
    for patient, entry in entries.items():
        labels, affine = read(entry["label"])
        image, same = read(entry["image"])
        wanted = expected[patient]
        if patient == "3Dircadb1.1":  # in the order of the folders: the cyst comes first
            wanted = np.array([0, 2, 1], np.uint8)[wanted]
        np.testing.assert_array_equal(labels, wanted)
        np.testing.assert_allclose(affine, same, atol=1e-4)
        np.testing.assert_array_equal(image == 55, labels > 0)


def test_one_patient_folder_will_do(ircadb, out):
    result = write_datalist(ircadb_cases(ircadb / "3Dircadb1.1"), out)
    assert result.num_entries["training"] > 0


def test_packed_and_missing_folders_are_named(ircadb, out):
    shutil.rmtree(ircadb / "3Dircadb1.1" / "MASKS_DICOM")
    (ircadb / "3Dircadb1.1" / "MASKS_DICOM.zip").touch()
    shutil.rmtree(ircadb / "3Dircadb1.2" / "MASKS_DICOM")
    with pytest.raises(
        ValueError, match=r"must hold the folder MASKS_DICOM, got none; unpack .*none; get the set again"
    ):
        write_datalist(ircadb_cases(ircadb), out)


def test_a_folder_that_unpacking_made_twice_is_entered(ircadb, out):
    for name in ("PATIENT_DICOM", "MASKS_DICOM"):
        folder = ircadb / "3Dircadb1.1" / name
        inner = folder.rename(folder.with_name("moved"))
        folder.mkdir()
        inner.rename(folder / name)
    assert not write_datalist(ircadb_cases(ircadb), out).skipped


def test_missing_broken_and_grey_masks_are_named(ircadb, out):
    first, second, third = (ircadb / f"3Dircadb1.{n}" / "MASKS_DICOM" for n in (1, 2, 3))
    (first / "livertumor01" / "image_2").unlink()
    (second / "livertumors" / "image_0").write_bytes(b"no image")
    shutil.rmtree(third / "liver")
    grey = blocks(1) * 100
    grey[0, 0, 0] = 7
    write_mask_dicom(third / "liver", grey, inside=1)
    message = (
        r"got no image_2 \(1 of 5 missing\).*image_0 must be a DICOM image.*must hold two values.*got \[0, 7, 100\]"
    )
    with pytest.raises(ValueError, match=message):
        write_datalist(ircadb_cases(ircadb), out)


def test_masks_of_another_size_are_named(ircadb, out):
    shutil.rmtree(ircadb / "3Dircadb1.3" / "MASKS_DICOM" / "liver")
    write_mask_dicom(ircadb / "3Dircadb1.3" / "MASKS_DICOM" / "liver", blocks(1)[:30])
    with pytest.raises(ValueError, match=r"must hold slices of \(60, 48\) pixels, got \(30, 48\)"):
        write_datalist(ircadb_cases(ircadb), out)
