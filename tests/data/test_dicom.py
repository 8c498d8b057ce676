# SPDX-License-Identifier: Apache-2.0
import shutil

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from lsms_monai.data.dicom import is_dicom_file, read_dicom_folder
from lsms_monai.data.reader import CTReader


@pytest.mark.parametrize(("case", "num_slices"), [("CRLM-CT-1004", 41), ("CRLM-CT-1006", 51)])
def test_real_series_are_whole_and_in_hu(case, num_slices, shared_data):
    array, affine = read_dicom_folder(shared_data / "crlm_ct" / case)
    assert array.shape == (512, 512, num_slices)
    assert np.median(array[:, :, num_slices // 2][array[:, :, num_slices // 2] > -200]) == pytest.approx(40, abs=80)
    assert (
        np.sign(np.diag(affine)[:3]) == (-1, -1, 1)
    ).all()  # rows to the left, columns to the back, slices to the head


def test_a_real_series_equals_its_copy_in_nifti(shared_data, tmp_path):
    array, affine = read_dicom_folder(shared_data / "crlm_ct" / "CRLM-CT-1004")
    nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), affine), tmp_path / "ct.nii.gz")
    copy, meta = CTReader().get_data(CTReader().read(tmp_path / "ct.nii.gz"))
    np.testing.assert_array_equal(copy, array)
    np.testing.assert_allclose(meta["affine"], affine, atol=1e-4)


def test_the_example_nifti_is_read(shared_data):
    path = shared_data / "totalsegmentator_example" / "example_ct.nii.gz"
    array, meta = CTReader().get_data(CTReader().read(path))
    assert array.shape == (122, 101, 112)
    np.testing.assert_allclose(np.diag(meta["affine"])[:3], 3)


def test_a_tilted_gantry_shears_the_affine(tmp_path, volume, lps_affine, dicom):
    lps_affine[1, 2] = 1.5
    array, affine = read_dicom_folder(dicom(tmp_path / "tilted", affine=lps_affine))
    np.testing.assert_array_equal(array, volume)
    np.testing.assert_allclose(affine, lps_affine, atol=1e-5)


def test_slices_stored_from_head_to_feet_keep_their_place(tmp_path, volume, lps_affine, dicom):
    downward = lps_affine.copy()
    downward[2, 2], downward[2, 3] = -5, lps_affine[2, 3] + 20
    array, affine = read_dicom_folder(dicom(tmp_path / "down", volume[:, :, ::-1], downward))
    np.testing.assert_array_equal(array, volume)
    np.testing.assert_allclose(affine, lps_affine, atol=1e-5)


def test_dicom_is_known_by_its_mark(tmp_path, dicom):
    path = next(dicom(tmp_path / "series").iterdir())
    assert is_dicom_file(shutil.copy(path, tmp_path / "IM0001"))
    assert not is_dicom_file(shutil.copy(path, tmp_path / "DICOMDIR"))
    (tmp_path / "notes").write_text("none")
    assert not is_dicom_file(tmp_path / "notes")


def test_two_series_are_listed(tmp_path, dicom):
    dicom(tmp_path / "both", SeriesDescription="arterial")
    dicom(tmp_path / "both", SeriesDescription="portal venous")
    with pytest.raises(
        ValueError, match=r'one DICOM series, got 2: .*"arterial" \(CT, 5 slices.*"portal venous" \(CT, 5'
    ) as e:
        read_dicom_folder(tmp_path / "both")
    assert "put the one you mean in a folder of its own" in str(e.value)


def test_a_missing_slice_is_named(tmp_path, volume, dicom):
    folder = dicom(tmp_path / "gap")
    by_height = sorted(folder.iterdir(), key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2])
    by_height[2].unlink()
    names = f"{by_height[1].name} .*{by_height[3].name}"
    with pytest.raises(ValueError, match=rf"5\.00 mm apart, got 10\.00 mm between {names} .*slices are missing"):
        read_dicom_folder(folder)


def test_two_slices_at_one_place_are_named(tmp_path, dicom):
    folder = dicom(tmp_path / "twice")
    shutil.copy(next(folder.iterdir()), folder / "copy.dcm")
    with pytest.raises(ValueError, match=r"one slice per position, got .*copy\.dcm.* mm; put one phase in a folder"):
        read_dicom_folder(folder)


def test_a_localizer_is_refused(tmp_path, dicom):
    folder = dicom(tmp_path / "scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(ValueError, match=r"axial slices, got a localizer \(scout view\)"):
        read_dicom_folder(folder)


def test_another_modality_is_refused(tmp_path, dicom):
    with pytest.raises(ValueError, match="must be a CT, got modality MR"):
        read_dicom_folder(dicom(tmp_path / "mr", Modality="MR"))


def change(path, **attributes):
    data = pydicom.dcmread(path)
    for name, value in attributes.items():
        setattr(data, name, value)
    data.save_as(path)


def test_a_slice_in_another_orientation_is_named(tmp_path, dicom):
    folder = dicom(tmp_path / "mixed")
    change(sorted(folder.iterdir())[-1], ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    with pytest.raises(ValueError, match="parallel slices, got another orientation"):
        read_dicom_folder(folder)


def test_slices_of_two_sizes_are_named(tmp_path, volume, dicom):
    folder = dicom(tmp_path / "mixed")
    change(sorted(folder.iterdir())[-1], Rows=volume.shape[0], Columns=volume.shape[1])
    with pytest.raises(ValueError, match=r"slices of one size, got \(11, 7\)"):
        read_dicom_folder(folder)


def test_slices_without_a_position_are_refused(tmp_path, dicom):
    folder = dicom(tmp_path / "lost")
    change(sorted(folder.iterdir())[0], ImagePositionPatient=None)
    with pytest.raises(ValueError, match="must give each slice's place in the patient"):
        read_dicom_folder(folder)


def test_colour_dicom_is_refused(tmp_path, volume, dicom):
    attributes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    folder = dicom(tmp_path / "colour", **attributes, **bits, PixelData=b"\0" * (11 * 7 * 3 + 1))
    with pytest.raises(ValueError, match="must have one grey value per voxel, got 3"):
        read_dicom_folder(folder)


def test_a_folder_without_dicom_says_where_there_is_some(tmp_path, dicom):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="must hold a DICOM series, got no DICOM file; name the folder of a series"):
        read_dicom_folder(tmp_path / "empty")
    dicom(tmp_path / "empty" / "series_7")
    with pytest.raises(ValueError, match=r"there are DICOM files in \['series_7'\]: name that folder"):
        read_dicom_folder(tmp_path / "empty")


@pytest.mark.parametrize("content", [b"rubbish", b"\0" * 128 + b"DICM" + b"rubbish"])
def test_a_damaged_file_is_named(content, tmp_path, dicom):
    folder = dicom(tmp_path / "damaged")
    path = sorted(folder.iterdir())[1]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.name} must be a DICOM image that can be read"):
        read_dicom_folder(folder)


def test_a_truncated_file_is_named(tmp_path, dicom):
    folder = dicom(tmp_path / "short")
    path = sorted(folder.iterdir())[1]
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match=rf"{path.name} must be a DICOM image that can be read"):
        read_dicom_folder(folder)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian])
def test_compressed_slices_are_the_same(syntax, tmp_path, volume, dicom):
    folder = dicom(tmp_path / "series")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        if syntax.is_encapsulated:
            data.compress(syntax, generate_instance_uid=False)
        data.file_meta.TransferSyntaxUID = syntax
        data.save_as(path)
    np.testing.assert_array_equal(read_dicom_folder(folder)[0], volume)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_slices_that_itk_has_compressed_are_the_same(compressor, tmp_path, volume, dicom):
    folder = dicom(tmp_path / "series")
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        writer.Execute(sitk.Cast(sitk.ReadImage(path), sitk.sitkInt16), str(tmp_path / "packed.dcm"), True, -1)
        packed = pydicom.dcmread(tmp_path / "packed.dcm")
        for name in ("PixelData", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"):
            data[name] = packed[name]
        data.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
        assert data.file_meta.TransferSyntaxUID.is_compressed
        data.save_as(path)
    np.testing.assert_array_equal(read_dicom_folder(folder)[0], volume)


def test_a_transfer_syntax_without_a_decoder_is_named(tmp_path, dicom):
    folder = dicom(tmp_path / "series")
    path = sorted(folder.iterdir())[1]
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.201\0", 1))
    with pytest.raises(ValueError, match=r"got transfer syntax 1\.2\.840\.10008\.1\.2\.4\.201; export the series"):
        read_dicom_folder(folder)


def report(path, source):
    data = pydicom.dcmread(source)
    del data.PixelData, data.Rows, data.Columns
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    data.Modality, data.SeriesInstanceUID = "SR", generate_uid()
    data.save_as(path)


def test_a_report_beside_the_images_is_passed_over(tmp_path, volume, dicom):
    folder = dicom(tmp_path / "series")
    report(folder / "report.dcm", next(folder.iterdir()))
    np.testing.assert_array_equal(read_dicom_folder(folder)[0], volume)


def test_a_report_alone_is_no_image(tmp_path, dicom):
    report(tmp_path / "report.dcm", next(dicom(tmp_path / "series").iterdir()))
    with pytest.raises(ValueError, match="must be a DICOM image, got 1 files without one"):
        read_dicom_folder(tmp_path)
