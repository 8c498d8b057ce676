# SPDX-License-Identifier: Apache-2.0
"""The series that a SEG refers to: whatever the reader accepts, in the order of the volume, and refused early."""

import numpy as np
import pydicom
import pytest
from dicom import ALGORITHM, answer, lps_affine, write_series

from lsms_monai.data.dicom import dicom_files, read_dicom_folder
from lsms_monai.dicom_seg import SourceSeries, check_source, segmentation


@pytest.fixture
def folder(tmp_path):
    return write_series(tmp_path / "series")


def change(path, **attributes):
    data = pydicom.dcmread(path)
    for name, value in attributes.items():
        setattr(data, name, value)
    data.save_as(path)


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "ImagePositionPatient", "SOPInstanceUID", "PixelSpacing"])
def test_a_slice_that_does_not_say_what_it_is_or_where_it_lies_is_refused(folder, keyword):
    affine = read_dicom_folder(folder)[1]
    path = next(folder.iterdir())
    change(path, **{keyword: None})
    message = rf"what they are and where they lie, got no {keyword} in {path.name}; export the series again"
    with pytest.raises(ValueError, match=message):
        SourceSeries.read(dicom_files(folder), affine)


def test_a_multi_frame_file_is_refused(folder):
    change(next(folder.iterdir()), NumberOfFrames=2)
    with pytest.raises(ValueError, match="one file per slice, got the multi-frame file"):
        SourceSeries.read(dicom_files(folder), np.eye(4))


def test_files_of_another_volume_are_refused(folder):
    with pytest.raises(ValueError, match="the 7 DICOM files must be the slices of the volume, got other positions"):
        SourceSeries.read(dicom_files(folder), np.eye(4))


def by_height(folder):
    return sorted(folder.iterdir(), key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2])


@pytest.mark.parametrize("orientation", ["head first supine", "tilted gantry"])
def test_a_series_that_is_unevenly_spaced_within_the_tolerance_gets_its_segmentation(orientation, tmp_path):
    image = np.zeros((5, 7, 61), np.int16)
    affine = lps_affine(orientation, spacing=(1, 1, 1))
    folder = write_series(tmp_path / "series", image, affine, seed=1)
    heights = np.r_[0, np.repeat([1.0, 1.04], 30).cumsum()]
    for path, height in zip(by_height(folder), heights, strict=True):
        change(path, ImagePositionPatient=[round(float(x), 6) for x in (affine @ (0, 0, height, 1))[:3]])
    image, affine = read_dicom_folder(folder)
    source = SourceSeries.read(dicom_files(folder), affine)
    found = [header.ImagePositionPatient[2] - source.slices[0].ImagePositionPatient[2] for header in source.slices]
    np.testing.assert_allclose(found, heights, atol=1e-5)
    mask = np.zeros(image.shape, bool)
    mask[2, 3, 29:32] = True
    seg = segmentation(source, [answer("the lesion", mask, image, affine)], ALGORITHM)
    frames = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in seg.PerFrameFunctionalGroupsSequence]
    assert {*map(tuple, frames)} == {tuple(header.ImagePositionPatient) for header in source.slices[29:32]}


def test_orientations_that_differ_within_the_tolerance_are_one(folder):
    change(by_height(folder)[3], ImageOrientationPatient=[1, 0.0005, 0, -0.0005, 1, 0])
    image, affine = read_dicom_folder(folder)
    source = SourceSeries.read(dicom_files(folder), affine)
    assert segmentation(source, [answer("dark", image == 40, image, affine)], ALGORITHM).NumberOfFrames == 3


@pytest.mark.parametrize("shift_mm", [(0.0, 0.0, 4.0), (0.6, 0.0, 0.0)])
def test_a_slice_at_another_place_is_refused(folder, shift_mm):
    affine = read_dicom_folder(folder)[1]
    path = by_height(folder)[3]
    change(path, ImagePositionPatient=[*np.add(pydicom.dcmread(path).ImagePositionPatient, shift_mm)])
    with pytest.raises(ValueError, match="the 7 DICOM files must be the slices of the volume, got other positions"):
        SourceSeries.read(dicom_files(folder), affine)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_slices_of_two_studies_or_frames_are_refused(folder, keyword):
    affine = read_dicom_folder(folder)[1]
    change(next(folder.iterdir()), **{keyword: "1.2.3"})
    with pytest.raises(ValueError, match=rf"slices that share one {keyword}, got 1\.2\.3, .*; export the series again"):
        SourceSeries.read(dicom_files(folder), affine)


def test_headers_that_are_not_dicom_are_refused_before_there_is_an_answer(folder):
    affine = read_dicom_folder(folder)[1]
    check_source(SourceSeries.read(dicom_files(folder), affine))
    for path in folder.iterdir():
        change(path, SeriesNumber=-5000)
    message = r"series whose headers are valid, got an error: .*series_number.*; export the series again"
    with pytest.raises(ValueError, match=message):
        check_source(SourceSeries.read(dicom_files(folder), affine))
