# SPDX-License-Identifier: Apache-2.0
"""A single file: nothing of its place and size is guessed."""

import numpy as np
import pytest

from lsms_monai.data.dicom import read_dicom_files, read_dicom_folder


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("ImagePositionPatient", "must give each slice's place in the patient"),
        ("ImageOrientationPatient", "must give each slice's place in the patient"),
        ("PixelSpacing", "must give each slice's pixel size"),
    ],
)
def test_a_single_slice_that_leaves_its_geometry_open_is_refused(attribute, message, tmp_path, volume, dicom):
    folder = dicom(tmp_path / "slice", volume[:, :, :1], **{attribute: None})
    (path,) = folder.iterdir()
    for read in (lambda: read_dicom_folder(folder), lambda: read_dicom_files([path], path)):
        with pytest.raises(ValueError, match=rf"{message}, got none in {path.name}; export the series again"):
            read()


def test_a_single_slice_lies_where_its_header_says(tmp_path, volume, oblique_affine, dicom):
    array, affine = read_dicom_folder(dicom(tmp_path / "slice", volume[:, :, :1], oblique_affine))
    np.testing.assert_array_equal(array, volume[:, :, :1])
    np.testing.assert_allclose(affine, oblique_affine, atol=1e-4)


def test_a_multi_frame_file_is_refused(tmp_path, volume, dicom):
    pixels = b"\0\0" * volume[:, :, 0].size
    folder = dicom(tmp_path / "frames", volume[:, :, :1], NumberOfFrames=2, PixelData=pixels * 2)
    (path,) = folder.iterdir()
    message = rf"one file per slice, got 2 frames in {path.name}; export the series as single slices"
    with pytest.raises(ValueError, match=message):
        read_dicom_folder(folder)
