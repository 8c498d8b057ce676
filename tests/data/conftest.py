# SPDX-License-Identifier: Apache-2.0
"""A small volume in which no two voxels are alike, and how to write it in every format."""

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

RAS_TO_LPS = np.diag((-1.0, -1.0, 1.0, 1.0))


@pytest.fixture
def volume():
    """Voxels (11, 7, 5), all different, some far below and above water."""
    return (np.arange(11 * 7 * 5).reshape(11, 7, 5) * 3 - 500).astype(np.int16)


@pytest.fixture
def lps_affine():
    """Voxel to RAS mm of a volume in LPS order with three different spacings."""
    affine = np.diag((-0.7, -0.9, 5.0, 1.0))
    affine[:3, 3] = (41, 52, -63)
    return affine


@pytest.fixture
def oblique_affine(lps_affine):
    """The same, turned about two axes of the patient."""
    a, b = np.deg2rad((7, 11))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = lps_affine.copy()
    affine[:3] = about_z @ about_x @ affine[:3]
    return affine


@pytest.fixture
def write(tmp_path):
    """Write voxels (W, H, D) with an affine to a file whose name says the format, or to a folder of DICOM files."""

    def to(name, array, affine):
        path = tmp_path / name
        if name.endswith((".nii", ".nii.gz")):
            nibabel.save(nibabel.Nifti1Image(array, affine), path)
        elif path.suffix:
            sitk.WriteImage(_itk_image(array, affine), path)
        else:
            write_dicom(path, array, affine)
        return path

    return to


@pytest.fixture
def dicom(volume, lps_affine):
    """Write the volume as DICOM files into a folder; keyword arguments are DICOM attributes of every file."""

    def to(folder, array=volume, affine=lps_affine, **attributes):
        write_dicom(folder, array, affine, **attributes)
        return folder

    return to


def _itk_image(array, affine):
    image = sitk.GetImageFromArray(array.T)
    matrix = (RAS_TO_LPS @ affine)[:3]
    spacing = np.linalg.norm(matrix[:, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:, 3].tolist())
    return image


def write_dicom(folder, array, affine, **attributes):
    """One file per slice, in an order that the file names do not tell."""
    folder.mkdir(exist_ok=True)
    matrix = RAS_TO_LPS @ affine
    columns = matrix[:3, :2] / np.linalg.norm(matrix[:3, :2], axis=0)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(array.shape[2]):
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = (study, series, frame)
        data.Modality, data.PatientID, data.SeriesDescription = "CT", "phantom", "portal venous"
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.InstanceNumber, data.SliceThickness = k + 1, float(np.linalg.norm(matrix[:3, 2]))
        data.ImagePositionPatient = [float(f"{x:.6f}") for x in (matrix @ (0, 0, k, 1))[:3]]
        data.ImageOrientationPatient = [float(f"{x:.10f}") for x in columns.T.ravel()]
        data.PixelSpacing = [float(np.linalg.norm(matrix[:3, i])) for i in (1, 0)]
        data.Rows, data.Columns, data.SamplesPerPixel = array.shape[1], array.shape[0], 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.PixelData = (array[:, :, k].T.astype(np.int32) + 1024).astype("<u2").tobytes()
        for name, value in attributes.items():
            setattr(data, name, value)
        data.save_as(folder / f"IM{(7 * k) % array.shape[2]}_{series[-6:]}.dcm", enforce_file_format=True)
