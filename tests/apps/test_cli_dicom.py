# SPDX-License-Identifier: Apache-2.0
"""`lsms segment --dicom-seg`: a PACS user needs highdicom and nothing of MONAI Deploy."""

import sys

import nibabel as nib
import pydicom
import pytest
from click.testing import CliRunner
from dicom import write_series
from stub import AFFINE, scene

from lsms_monai.cli import main

DARK = "the dark lesion"


@pytest.fixture
def segment(stub_bundle, tmp_path):
    """`lsms segment` of a DICOM series with the stub bundle."""
    series = write_series(tmp_path / "series")

    def run(*arguments, image=series):
        words = ("segment", image, *arguments, "--bundle", stub_bundle)
        return CliRunner().invoke(main, [str(word) for word in words])

    return run


def test_segmentation_and_report_are_written_without_an_output_folder(segment, tmp_path):
    result = segment(DARK, "--dicom-seg", tmp_path / "seg.dcm", "--sr", tmp_path / "sr.dcm")
    assert result.exit_code == 0, result.stderr
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.SegmentSequence[0].SegmentDescription == DARK
    assert seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "Two words"
    evidence = pydicom.dcmread(tmp_path / "sr.dcm").CurrentRequestedProcedureEvidenceSequence
    assert seg.SeriesInstanceUID in {item.SeriesInstanceUID for item in evidence[0].ReferencedSeriesSequence}
    assert f"DICOM: {tmp_path / 'seg.dcm'}" in result.stdout
    assert "Found: 1 lesion" in result.stdout


def test_an_output_folder_may_be_written_as_well(segment, tmp_path):
    assert segment(DARK, "--dicom-seg", tmp_path / "seg.dcm", "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "seg.dcm").is_file()
    assert (tmp_path / "out" / "answer.json").is_file()


def refused(result, message, tmp_path):
    assert result.exit_code == 1
    assert message in result.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("*.dcm"))
    assert not list(tmp_path.glob(".lsms-*"))


def test_what_dicom_cannot_hold_or_refer_to_is_refused(segment, tmp_path):
    seg = ("--dicom-seg", tmp_path / "seg.dcm")
    refused(segment("the\x07cyst", *seg), "must not hold control characters", tmp_path)
    refused(segment(DARK, "-o", tmp_path / "out", "--sr", tmp_path / "sr.dcm"), "add --dicom-seg", tmp_path)
    nib.save(nib.Nifti1Image(scene()[0], AFFINE), tmp_path / "ct.nii.gz")
    refused(segment(DARK, *seg, image=tmp_path / "ct.nii.gz"), "needs a DICOM series to refer to, got ct.nii", tmp_path)
    refused(segment(DARK, "--dicom-seg", tmp_path / "absent" / "seg.dcm"), "cannot be written", tmp_path)


def test_segmentation_and_report_are_two_files(segment, tmp_path):
    result = segment(DARK, "--dicom-seg", tmp_path / "a.dcm", "--sr", tmp_path / "a.dcm")
    refused(result, "each output needs a file of its own, got", tmp_path)


def test_a_series_that_cannot_be_referred_to_is_refused_before_the_network_runs(segment, tmp_path, monkeypatch):
    def ask(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(sys.modules["lsms_monai.cli.segment"], "ask", ask)
    path = next((tmp_path / "series").iterdir())
    data = pydicom.dcmread(path)
    del data.FrameOfReferenceUID
    data.save_as(path)
    result = segment(DARK, "--dicom-seg", tmp_path / "seg.dcm", "-o", tmp_path / "out")
    refused(result, "got no FrameOfReferenceUID", tmp_path)
    assert not (tmp_path / "out").exists()


def test_an_existing_file_is_replaced_only_with_overwrite(segment, tmp_path):
    (tmp_path / "seg.dcm").write_text("mine")
    result = segment(DARK, "--dicom-seg", tmp_path / "seg.dcm")
    assert (result.exit_code, "seg.dcm exists" in result.stderr) == (1, True)
    assert segment(DARK, "--dicom-seg", tmp_path / "seg.dcm", "--overwrite").exit_code == 0


def test_somewhere_to_write_is_required(segment):
    result = segment(DARK)
    assert result.exit_code == 2
    assert "Missing option '-o'" in result.stderr
