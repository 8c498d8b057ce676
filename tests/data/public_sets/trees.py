# SPDX-License-Identifier: Apache-2.0
"""Miniature data sets in the folders in which the public ones are handed out."""

import json

import nibabel
import numpy as np
import openpyxl
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from lsms_monai.data import CTReader, load_datalist

AFFINE = np.diag((-6.0, -6.0, 5.0, 1.0))  # LPS
SHAPE = (60, 48, 5)
# First voxels and sizes in voxels of the lesions: value 1 is large and right, 2 small and left, both dark.
BLOCKS = {1: ((10, 18, 1), (6, 6, 3)), 2: ((36, 16, 2), (3, 3, 2))}

HEADER = ("image", "label", "expression")
ROW = ("ct/a.nii.gz", "ct/a_lab.nii.gz", "the large one")


def blocks(*values):
    labels = np.zeros(SHAPE, np.uint8)
    for value in values:
        start, size = BLOCKS[value]
        labels[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = value
    return labels


def scan(*values):
    """HU, instance map and liver of a body with these lesions."""
    image = np.full(SHAPE, -1000, np.int16)
    image[3:57, 4:44], liver = 20, np.zeros(SHAPE, np.uint8)
    liver[6:44, 10:34] = 1
    image[liver > 0] = 110
    labels = blocks(*values)
    image[labels > 0] = 55
    return image, labels, liver


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def write_msd(folder, patients=4, names=("imagesTr/liver_{}.nii.gz", "labelsTr/liver_{}.nii.gz"), listed=True):
    """Task03: 1 is liver, 2 is tumour; patient 0 has one tumour, the others two."""
    for number in range(patients):
        image, labels, liver = scan(*((1,) if number == 0 else (1, 2)))
        save(folder / names[0].format(number), image)
        save(folder / names[1].format(number), np.where(labels > 0, 2, liver).astype(np.uint8))
    if listed:
        keys = ("image", "label")
        training = [dict(zip(keys, (f"./{name.format(n)}" for name in names), strict=True)) for n in range(patients)]
        (folder / "dataset.json").write_text(json.dumps({"name": "Liver", "training": training, "test": []}))
    return folder


def write_mask_dicom(folder, mask, inside=255):
    """Masks as 3D-IRCADb hands them out: named as the slices of the image, with no place in the patient."""
    folder.mkdir(parents=True)
    for k in range(mask.shape[2]):
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
        data.Modality = "OT"
        data.Rows, data.Columns, data.SamplesPerPixel = mask.shape[1], mask.shape[0], 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
        data.PixelData = (mask[:, :, k].T * np.uint8(inside)).astype(np.uint8).tobytes()
        data.save_as(folder / f"image_{k}", enforce_file_format=True)


def write_ircadb(folder, write_dicom, patients=3):
    """3Dircadb1.1 has a tumour and a cyst, the next has one unnumbered folder of two tumours, the last has none."""
    for number in range(1, patients + 1):
        place = folder / f"3Dircadb1.{number}"
        image, labels, liver = scan(*((1, 2) if number < 3 else ()))
        place.mkdir(parents=True)
        write_dicom(place / "PATIENT_DICOM", image, AFFINE)
        files = sorted((place / "PATIENT_DICOM").iterdir(), key=lambda path: pydicom.dcmread(path).InstanceNumber)
        for k, path in enumerate(files):  # image_0 is the highest slice
            path.rename(path.with_name(f"image_{len(files) - 1 - k}"))
        structures = {"liver": liver, "bone": liver * 0}
        if number == 1:
            structures |= {"livertumor01": labels == 1, "livercyst": labels == 2}
        if number == 2:
            structures |= {"livertumors": labels > 0}
        for name, mask in structures.items():
            write_mask_dicom(place / "MASKS_DICOM" / name, mask[:, :, ::-1].astype(np.uint8))
    return folder


def write_sheet(path, rows, header=("Image", "Description")):
    book = openpyxl.Workbook()
    for row in (header, *rows):
        book.active.append(row)
    book.save(path)
    return path


def write_lvit(folder, pictures, mask_name="mask_{}.png", mode="L"):
    """Pictures by the first letters of their folder: {"Train": ["sub-S1_a", ...], ...}; each has an infection."""
    for split, stems in pictures.items():
        place = folder / f"{split}_Folder"
        for name in ("img", "labelcol"):
            (place / name).mkdir(parents=True)
        for stem in stems:
            grey = np.full((24, 32), 90, np.uint8)
            mask = np.zeros((24, 32), np.uint8)
            mask[4:9, 20:29] = 255
            Image.fromarray(grey).convert(mode).save(place / "img" / f"{stem}.png")
            Image.fromarray(mask).save(place / "labelcol" / mask_name.format(stem))
        rows = [(mask_name.format(stem), f"One infected area, upper left lung, {stem}") for stem in stems]
        write_sheet(place / f"{split}_text.xlsx", rows)
    return folder


def read(path):
    reader = CTReader()
    array, meta = reader.get_data(reader.read(path))
    return array, meta["affine"]


def entries_of(out):
    """Every entry of a datalist by section, loaded as training loads it."""
    filled = [name for name, entries in json.loads(out.read_text()).items() if entries]
    return {name: load_datalist(out, name) for name in filled}


def patients(sections):
    return {name: sorted({entry["patient_id"] for entry in entries}) for name, entries in sections.items()}


def all_entries(out):
    """Every entry of a datalist."""
    return [entry for entries in entries_of(out).values() for entry in entries]


def every_patient(out):
    return sorted({entry["patient_id"] for entry in all_entries(out)})
