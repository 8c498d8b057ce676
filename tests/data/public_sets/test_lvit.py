# SPDX-License-Identifier: Apache-2.0
"""Pictures with spreadsheets of texts become datalists that load."""

import numpy as np
import pytest
from PIL import Image
from trees import entries_of, patients, read, write_lvit, write_sheet

from lsms_monai.data.public_sets import lvit_cases, write_datalist


def test_qata_keeps_its_texts_splits_and_masks(tmp_path, out):
    names = {"Train": ["sub-S1_run-1", "covid_7"], "Val": ["sub-S2_run-1"], "Test": ["sub-S3_run-1"]}
    write_datalist(lvit_cases(write_lvit(tmp_path / "QaTa", names)), out)
    sections = entries_of(out)
    assert patients(sections) == {"training": ["covid_7", "sub-S1"], "validation": ["sub-S2"], "test": ["sub-S3"]}
    (entry,) = sections["test"]
    assert (entry["expression"], entry["label_value"]) == ("One infected area, upper left lung, sub-S3_run-1", [1])
    image, affine = read(entry["image"])
    labels, same = read(entry["label"])
    assert entry["image"].endswith("Test_Folder/img/sub-S3_run-1.png")
    np.testing.assert_array_equal(affine, same)
    expected = np.zeros(image.shape)
    expected[20:29, 4:9] = 1
    np.testing.assert_array_equal(labels, expected)


def test_colour_pictures_of_monuseg_become_grey_images(tmp_path, out):
    folder = write_lvit(tmp_path / "MoNuSeg", {"Train": ["TCGA-18-5592-01Z-00-DX1"]}, "{}.png", mode="RGB")
    write_datalist(lvit_cases(folder), out)
    (entry,) = entries_of(out)["training"]
    assert (entry["patient_id"], entry["image"].endswith(".nii.gz")) == ("TCGA-18-5592", True)
    assert set(read(entry["image"])[0].ravel()) == {90}


def test_a_picture_may_have_several_texts_and_an_empty_mask(tmp_path, out):
    folder = write_lvit(tmp_path / "QaTa", {"Train": ["covid_1"]}) / "Train_Folder"
    write_sheet(folder / "Train_text.xlsx", [("mask_covid_1.png", text) for text in ("No infection", "Clear", "Clear")])
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(folder / "labelcol" / "mask_covid_1.png")
    write_datalist(lvit_cases(folder.parent), out)
    entries = entries_of(out)["training"]
    assert [(entry["expression"], entry["label_value"]) for entry in entries] == [("No infection", []), ("Clear", [])]


LEAKING = {
    "Train": [f"Morozov_study_{n:04d}_{k}" for n in range(6) for k in (1, 2)],
    "Val": ["Morozov_study_0003_7", "Morozov_study_0010_1"],
    "Test": ["Morozov_study_0020_1", "Jun_coronacases_case1_119"],
}


def test_a_split_that_leaks_is_an_error_and_can_be_made_anew(tmp_path, out):
    cases = lvit_cases(write_lvit(tmp_path / "MosMed", LEAKING, "{}.png"))
    message = r'got 1 in two or more, such as "Morozov_study_0003" in training \(.*0003_1\) and validation .*--resplit'
    with pytest.raises(ValueError, match=message):
        write_datalist(cases, out)
    result = write_datalist(cases, out, resplit=True)
    assert result.resplit == ["training", "validation"]
    sections = patients(entries_of(out))
    assert sections["test"] == ["Jun_coronacases_case1", "Morozov_study_0020"]
    assert not set(sections["training"]) & set(sections["validation"])
    assert result.num_entries["validation"] in (1, 2, 3)


def test_columns_that_a_spreadsheet_lacks_are_named(tmp_path):
    folder = write_lvit(tmp_path, {"Train": ["covid_1"]})
    write_sheet(folder / "Train_Folder" / "Train_text.xlsx", [("a.png", "b")], header=("Image", "Text"))
    with pytest.raises(
        ValueError, match=r"must have the columns \['Image', 'Description'\], got .*without \['Description'\]"
    ):
        lvit_cases(folder)


def test_a_spreadsheet_that_is_broken_or_missing_is_named(tmp_path):
    folder = write_lvit(tmp_path, {"Train": ["covid_1"]})
    sheet = folder / "Train_Folder" / "Train_text.xlsx"
    sheet.write_bytes(b"no spreadsheet")
    with pytest.raises(ValueError, match=r"Train_text.xlsx must be a spreadsheet \(.xlsx\) that can be read"):
        lvit_cases(folder)
    sheet.unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold one spreadsheet such as Train_text.xlsx, got \[\]"):
        lvit_cases(folder)


def test_pictures_that_a_spreadsheet_names_or_forgets_are_named(tmp_path, out):
    folder = write_lvit(tmp_path / "QaTa", {"Train": ["covid_1", "covid_2", "covid_3"]}) / "Train_Folder"
    (folder / "img" / "covid_2.png").unlink()
    write_sheet(folder / "Train_text.xlsx", [(f"mask_covid_{n}.png", "Text") for n in (1, 2)])
    with pytest.raises(
        ValueError, match=r"picture must exist, got .*covid_2.png.*must describe covid_3.png, got no row"
    ):
        write_datalist(lvit_cases(folder.parent), out)
    result = write_datalist(lvit_cases(folder.parent), out, skip_corrupt=True)
    assert (len(result.skipped), result.num_entries["training"]) == (2, 1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            np.eye(24, 32, dtype=np.uint8) * 255 + np.eye(24, 32, 3, np.uint8) * 90,
            r"must hold 0 and one other value, got \[0, 90, 255\]",
        ),
        (np.zeros((24, 31), np.uint8), r"must have the size of its picture, got \(31, 24\) and \(32, 24\)"),
        (None, "must be a picture that can be read"),
    ],
)
def test_masks_that_are_no_masks_are_named(mask, message, tmp_path, out):
    folder = write_lvit(tmp_path / "QaTa", {"Train": ["covid_1"]})
    path = folder / "Train_Folder" / "labelcol" / "mask_covid_1.png"
    path.write_bytes(b"no picture") if mask is None else Image.fromarray(mask).save(path)
    with pytest.raises(ValueError, match=message):
        write_datalist(lvit_cases(folder), out)
