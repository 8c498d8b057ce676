# SPDX-License-Identifier: Apache-2.0
"""Whatever the set: splits by patient, faults named, nothing half written."""

import shutil

import pytest
from trees import HEADER, ROW, entries_of, every_patient, patients, write_msd

from lsms_monai.data.public_sets import FORMATS, csv_cases, msd_cases, write_datalist


def test_a_set_without_a_split_is_split_by_patient_and_seed(tmp_path, out):
    cases = msd_cases(write_msd(tmp_path / "Task03", 10))
    write_datalist(cases, out, seed=1)
    sections = patients(entries_of(out))
    assert {name: len(ids) for name, ids in sections.items()} == {"training": 7, "validation": 1, "test": 2}
    for seed, same in ((1, True), (2, False)):
        write_datalist(cases, out, seed=seed, overwrite=True)
        assert (patients(entries_of(out)) == sections) == same


def test_corrupt_files_are_named_and_skipped_only_on_request(tmp_path, out):
    folder = write_msd(tmp_path / "Task03", 4)
    broken = folder / "imagesTr" / "liver_2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-30])
    (folder / "labelsTr" / "liver_0.nii.gz").unlink()
    with pytest.raises(
        ValueError, match=r"4 cases must be readable, got 2 .*liver_0: .*existing file.*; liver_2: .*is the file whole"
    ):
        write_datalist(msd_cases(folder), out)
    result = write_datalist(msd_cases(folder), out, skip_corrupt=True)
    assert [message.split(":")[0] for message in result.skipped] == ["liver_0", "liver_2"]
    assert every_patient(out) == ["liver_1", "liver_3"]


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path, out):
    folder = write_msd(tmp_path / "Task03", 1)
    shutil.rmtree(folder / "labelsTr")
    with pytest.raises(ValueError, match="at least one case must be readable, got none of 1: liver_0"):
        write_datalist(msd_cases(folder), out, skip_corrupt=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("msd", "must hold dataset.json, imagesTr and labelsTr, or volume-N.nii"),
        ("ircadb", "must hold folders such as 3Dircadb1.1 with PATIENT_DICOM and MASKS_DICOM"),
        ("qata", "must hold Train_Folder, Val_Folder or Test_Folder"),
        ("csv", r"must be a CSV file or a folder with one, got \[\]"),
    ],
)
def test_a_folder_of_another_layout_is_refused(name, message, tmp_path):
    with pytest.raises(FileNotFoundError, match=message):
        FORMATS[name](tmp_path)


def test_no_cases_twice_the_same_and_wrong_rates_are_refused(table, out):
    cases = csv_cases(table(HEADER, ROW))
    with pytest.raises(ValueError, match="a data set must hold at least one case, got none"):
        write_datalist([], out)
    with pytest.raises(ValueError, match="each image must stand in a data set once, got twice: ct/a"):
        write_datalist(cases * 2, out)
    with pytest.raises(ValueError, match=r"split must be three rates that sum to 1, got \(1, 1, 0\)"):
        write_datalist(cases, out, split=(1, 1, 0))


def test_an_earlier_datalist_is_replaced_only_on_request(table, tmp_path, out):
    cases = csv_cases(table(HEADER, ROW))
    write_datalist(cases, out)
    with pytest.raises(FileExistsError, match="exists already; choose another name, or replace it with --overwrite"):
        write_datalist(cases, out)
    write_datalist(msd_cases(write_msd(tmp_path / "Task03", 1)), out, overwrite=True)
    assert sorted(path.name for path in out.parent.iterdir()) == ["datalist.json", "datalist_files"]
    with pytest.raises(ValueError, match=r"datalist must be a .json file, got .*list.txt"):
        write_datalist(cases, tmp_path / "list.txt")
