# SPDX-License-Identifier: Apache-2.0
"""DICOM series of the stub's scene, in any orientation, as scanners and archives write them."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from stub import scene

from lsms_monai.answer import Answer, measure_lesions
from lsms_monai.data.dicom import dicom_files, read_dicom_folder
from lsms_monai.dicom_seg import Algorithm, SourceSeries

ALGORITHM = Algorithm("Two words", "1.2.3")
CHINESE = "肝右叶 – größte Läsion"  # noqa: RUF001
# Directions of rows, columns and slices in LPS: what a row runs along, what a column runs along, where slices go.
ORIENTATIONS = {
    "head first supine": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "rows to the right": ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "columns to the front": ((1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "prone": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "feet first": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "feet first, upright": ((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "tilted gantry": ((1, 0, 0), (0, 1, 0), (0, 0.2, 1)),
}
SPACING_MM = (0.7, 0.9, 4.0)  # along a row, along a column, between slices


def lps_affine(orientation="head first supine", spacing=SPACING_MM):
    """Voxel -> LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(ORIENTATIONS[orientation], float).T * spacing
    affine[:3, 3] = (-31.5, 12.25, -100.75)
    return affine


def write_series(folder, image=None, affine=None, *, seed=0, **attributes):
    """Write voxels (W, H, D) as one file per slice under names that tell no order; attributes go into every file."""
    image = scene()[0] if image is None else image
    affine = lps_affine() if affine is None else affine
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = (generate_uid() for _ in range(3))
    numbers = np.random.default_rng(seed).permutation(image.shape[2])
    for k in range(image.shape[2]):
        data = _slice(image[:, :, k], affine, k)
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
        for name, value in attributes.items():
            setattr(data, name, value)
        data.save_as(folder / f"{series[-6:]}-{numbers[k]:03d}.dcm", enforce_file_format=True)
    return folder


def _slice(pixels, affine, k):
    """One CT slice (W, H) with all that a scanner says."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.SpecificCharacterSet, data.PatientName, data.PatientID = "ISO_IR 100", "Müller^Jürgen", "phantom 1"
    data.PatientBirthDate, data.PatientSex, data.AccessionNumber = "19500101", "O", "A1"
    data.StudyDate, data.StudyTime, data.StudyID, data.ReferringPhysicianName = "20250102", "120000", "7", ""
    data.Modality, data.SeriesNumber, data.SeriesDescription = "CT", 3, "portal venous"
    data.Manufacturer, data.ImageType = "phantom", ["ORIGINAL", "PRIMARY", "AXIAL"]
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    data.InstanceNumber, data.SliceThickness = k + 1, round(float(steps[2]), 4)
    data.ImagePositionPatient = [round(float(x), 6) for x in (affine @ (0, 0, k, 1))[:3]]
    data.ImageOrientationPatient = [round(float(x), 8) for x in (affine[:3, :2] / steps[:2]).T.ravel()]
    data.PixelSpacing = [float(steps[1]), float(steps[0])]  # between rows first
    data.Rows, data.Columns, data.SamplesPerPixel = pixels.shape[1], pixels.shape[0], 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.PixelData = (pixels.T.astype(np.int32) + 1024).astype("<u2").tobytes()
    return data


def answer(expression, mask, image, affine):
    lesions = measure_lesions(mask, image, mask.astype(np.float32), affine)
    return Answer(expression, mask, lesions, existence=0.75, resolution="as the network answered")


def three_answers(folder):
    """Two overlapping masks and none; "dark" and "both" share voxels."""
    image, affine = read_dicom_folder(folder)
    dark, both = image == 40, (image == 40) | (image == 170)
    masks = {"the dark lesion": dark, CHINESE: both, "the largest bone": np.zeros(image.shape, bool)}
    return SourceSeries.read(dicom_files(folder), affine), [
        answer(words, mask, image, affine) for words, mask in masks.items()
    ]


def errors_of_dciodvfy(path):
    """What David Clunie's checker has against a file; skipped where it is not installed (Debian: dicom3tools)."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: apt-get install dicom3tools)")
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    assert "Segmentation" in done.stderr or "ComprehensiveSR" in done.stderr, "dciodvfy does not know what it is"
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
