# SPDX-License-Identifier: Apache-2.0
"""A table with one row per expression becomes a datalist that loads."""

import json

import pytest
from trees import (
    HEADER,
    ROW,
    entries_of,
    patients,
)

from lsms_monai.data import load_datalist
from lsms_monai.data.public_sets import csv_cases, write_datalist


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_becomes_one_entry_per_row(table, tmp_path, delimiter):
    columns = (*HEADER, "label_value", "slice_index", "patient_id", "study_id", "split")
    other = ("ct/b.nii.gz", "ct/b_lab.nii.gz", "the bone", "none", "", "P2", "", "test")
    path = table(
        columns, (*ROW, "1", "2", "P1", "S1", "train"), (*ROW, "1 2", "", "P1", "", "train"), other, delimiter=delimiter
    )
    write_datalist(csv_cases(path.parent), tmp_path / "list.json")
    written = json.loads((tmp_path / "list.json").read_text())
    assert [entry.get("label_value") for entry in written["training"]] == [[1], [1, 2]]
    assert written["training"][0] == {
        "image": "ct/a.nii.gz", "label": "ct/a_lab.nii.gz", "expression": "the large one", "study_id": "S1",
        "slice_index": 2, "label_value": [1], "patient_id": "P1",
    }  # fmt: skip
    assert written["test"][0]["label_value"] == []
    assert load_datalist(tmp_path / "list.json", "training")


def test_a_table_without_values_means_every_lesion_and_is_split_by_image(table, out):
    path = table(HEADER, ROW, ("ct/b.nii.gz", "ct/b_lab.nii.gz", "all of them"))
    write_datalist(csv_cases(path), out, split=(0.5, 0, 0.5))
    entries = entries_of(out)
    assert patients(entries).keys() == {"training", "test"}
    assert "label_value" not in entries["training"][0]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"label_value": "3"}, r"table.csv, line 2: label_value must be in the label, got \[3\]; it holds \[1, 2\]"),
        (
            {"label_value": "2", "slice_index": "1"},
            r"line 2: label_value must be in the label, got \[2\]; it holds \[1\]",
        ),
        ({"label_value": "two"}, r'line 2: label_value must be whole numbers above 0.*got "two"'),
        ({"label_value": "0"}, r'line 2: label_value must be whole numbers above 0.*got "0"'),
        ({"slice_index": "5"}, r'line 2: slice_index must lie in 0\.\.4, got "5"'),
        ({"expression": ""}, "line 2: expression must not be empty"),
        ({"image": "ct/c.nii.gz"}, "line 2: image must be an existing file"),
    ],
)
def test_a_wrong_row_is_named(extra, message, table, out):
    row = {**dict(zip(HEADER, ROW, strict=True)), **extra}
    with pytest.raises(ValueError, match=message):
        write_datalist(csv_cases(table(tuple(row), tuple(row.values()))), out)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("image", "label", "caption")], r"must have the columns .*\['expression'\] missing, \['caption'\] not known"),
        ([HEADER, (*ROW, " in the left lobe")], r'line 2: a row must have 3 cells, got more; put quotes .* holds ","'),
        ([(*HEADER, "split"), (*ROW, "dev")], 'line 2: split must be one of .* got "dev"'),
        (
            [(*HEADER, "split"), (*ROW, "test"), (*ROW, "")],
            "must give a split in every row or in none, got none in line 3",
        ),
    ],
)
def test_a_wrong_table_is_named(rows, message, table):
    with pytest.raises(ValueError, match=message):
        csv_cases(table(*rows))


def test_a_patient_in_two_splits_of_a_table_is_named(table, out):
    path = table((*HEADER, "patient_id", "split"), (*ROW, "P1", "train"), (*ROW, "P1", "test"))
    with pytest.raises(
        ValueError, match=r'got 1 in two or more, such as "P1" in training \(ct/a.nii.gz \(line 2\)\) and test'
    ):
        write_datalist(csv_cases(path), out)
