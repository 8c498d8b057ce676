# SPDX-License-Identifier: Apache-2.0
"""`lsms describe` at a terminal."""

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from lsms_monai.cli import main
from lsms_monai.data import load_datalist


@pytest.fixture
def ct(tmp_path):
    """The folder of a CT with two dark lesions of one value."""
    image = np.full((90, 72, 4), -1000, np.int16)
    image[4:86, 5:66] = 100
    labels = np.zeros(image.shape, np.uint8)
    labels[15:24, 25:34, :2], labels[60:64, 24:28, 1:] = 1, 1
    image[labels == 1] = 40
    for name, array in (("ct", image), ("lesions", labels)):
        nibabel.save(nibabel.Nifti1Image(array, np.diag((-4.0, -4.0, 5.0, 1.0))), tmp_path / f"{name}.nii.gz")
    return tmp_path


def run(folder, *options):
    paths = [str(folder / name) for name in ("ct.nii.gz", "lesions.nii.gz")]
    return CliRunner().invoke(main, ["describe", *paths, "-o", str(folder / "list.json"), *options])


def test_a_datalist_is_written_and_its_expressions_shown(ct):
    result = run(ct, "--expressions", "5")
    assert result.exit_code == 0, result.output
    entries = load_datalist(ct / "list.json")
    assert [f"“{entry['expression']}” {entry['label_value'] or 'nothing'}" for entry in entries] == (
        result.stdout.splitlines()[:-1]
    )
    assert result.stdout.splitlines()[-1] == f"{len(entries)} expressions: {ct / 'list.json'}"
    assert (ct / "list_files" / "ct_lesions.nii.gz").is_file()


def test_slices_are_named_and_a_long_list_is_cut(ct):
    result = run(ct, "--slices", "--section", "test")
    assert result.exit_code == 0, result.output
    entries = load_datalist(ct / "list.json", "test")
    assert result.stdout.startswith(f"slice {entries[0]['slice_index']}: “")
    assert f"({len(entries) - 10} more)" in result.stdout


def test_a_fault_is_one_line(ct):
    (ct / "lesions.nii.gz").unlink()
    result = run(ct)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: image must be an existing file or DICOM folder")
    assert len(result.stderr.splitlines()) == 1
