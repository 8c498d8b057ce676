# SPDX-License-Identifier: Apache-2.0
"""`lsms datalist` at a terminal."""

import json

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from lsms_monai.cli import main
from lsms_monai.cli.datalist import FORMATS
from lsms_monai.data import load_datalist
from lsms_monai.data.public_sets import FORMATS as READERS

HEADER = "image,label,expression,label_value,patient_id,split"


@pytest.fixture
def table(tmp_path):
    """Write a table about one CT with one dark lesion."""
    image = np.full((90, 72, 2), -1000, np.int16)
    image[4:86, 5:66] = 100
    labels = np.zeros(image.shape, np.uint8)
    labels[15:24, 25:34] = 1
    image[labels == 1] = 40
    for name, array in (("ct", image), ("lab", labels)):
        nibabel.save(nibabel.Nifti1Image(array, np.diag((-4.0, -4.0, 5.0, 1.0))), tmp_path / f"{name}.nii.gz")

    def write(*rows):
        lines = [HEADER, *(f"ct.nii.gz,lab.nii.gz,{row}" for row in rows)]
        (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


def run(*arguments):
    return CliRunner().invoke(main, ["datalist", *map(str, arguments)])


def test_a_table_becomes_a_datalist_with_its_counts_told(table):
    folder = table("the lesion,1,P1,training", "the cyst,none,P2,test")
    result = run("csv", folder, "-o", folder / "list.json")
    assert result.exit_code == 0, result.output
    counts = "1 training, 0 validation, 1 test expressions, 0 images left out"
    assert result.stdout.splitlines()[-1] == f"{counts}: {folder / 'list.json'}"
    assert load_datalist(folder / "list.json", "test")[0]["label_value"] == []


def test_a_wrong_row_is_one_line_and_left_out_on_request(table):
    folder = table("the lesion,1,P1,training", "the cyst,4,P2,test")
    result = run("csv", folder, "-o", folder / "list.json")
    assert result.exit_code == 1
    assert "line 3: label_value must be in the label, got [4]" in result.stderr.splitlines()[-1]
    assert not (folder / "list.json").exists()
    result = run("csv", folder, "-o", folder / "list.json", "--skip-corrupt")
    assert result.exit_code == 0, result.output
    assert "Left out: " in result.stderr
    assert "0 test expressions, 1 images left out" in result.stdout


def test_leaking_splits_are_told_and_made_anew_on_request(table):
    folder = table("the lesion,1,P1,training", "the lesion,1,P2,training", "the cyst,none,P1,test")
    result = run("csv", folder, "-o", folder / "list.json")
    assert 'got 1 in two or more, such as "P1"' in result.stderr
    result = run("csv", folder, "-o", folder / "list.json", "--resplit")
    assert result.exit_code == 0, result.output
    assert "Warning: training, test shared patients and were split anew" in result.stderr


def test_the_check_names_wrong_entries_and_fails(table):
    folder = table("the lesion in the right lobe,1,P1,test", "bright spot,1,P1,test", "the lesion I saw,1,P1,test")
    assert run("csv", folder, "-o", folder / "list.json").exit_code == 0
    result = run("check", folder / "list.json")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        'section "test", entry 1: expression "bright spot" matches nothing, label_value says [1]; correct one of them',
        "3 entries, 1 wrong; not judged: 1 not understood, 0 that the image does not decide",
    ]
    content = json.loads((folder / "list.json").read_text())
    del content["test"][1]
    (folder / "list.json").write_text(json.dumps(content))
    assert run("check", folder / "list.json").exit_code == 0


@pytest.mark.parametrize("words", [("csv", "."), ("check", "list.json", "-o", "other.json")])
def test_where_to_write_is_a_must_but_not_for_the_check(words):
    result = run(*words)
    assert result.exit_code == 2
    assert "says where to write: required, but not with check" in result.stderr


def test_the_help_tells_every_format():
    text = run("--help").output
    assert set(FORMATS) == {*READERS, "check"}
    assert not [name for name in FORMATS if name not in text]
