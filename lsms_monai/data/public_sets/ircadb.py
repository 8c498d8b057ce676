# SPDX-License-Identifier: Apache-2.0
"""3D-IRCADb-01: a folder for each patient, with a DICOM series and one folder of DICOM masks for each structure."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.random import Generator

from lsms_monai.data.attributes import instance_map
from lsms_monai.data.draft import Draft
from lsms_monai.data.geometry import to_lps
from lsms_monai.data.public_sets.case import Case, Options, described_entries
from lsms_monai.data.reader import CTReader
from lsms_monai.keys import UNKNOWN_VALUE

IMAGE_FOLDER, MASK_FOLDER, ORGAN_FOLDER = "PATIENT_DICOM", "MASKS_DICOM", "liver"
_LESION = re.compile(r"liver_?(tumou?r|cyst|kyst)s?_?(?P<number>\d*)", re.IGNORECASE)


def ircadb_cases(folder: str | Path) -> list[Case]:
    """Find the patients.

    Args:
        folder: with the folders `3Dircadb1.1`, `3Dircadb1.2` and so on, or one of them.

    Raises:
        FileNotFoundError: if there is no patient.
    """
    folder = Path(folder)
    children = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    places = [folder, *sorted(children, key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])]
    patients = [place for place in places if any(_candidates(place, IMAGE_FOLDER))]
    if not patients:
        raise FileNotFoundError(
            f"{folder} must hold folders such as 3Dircadb1.1 with {IMAGE_FOLDER} and {MASK_FOLDER}, got none; "
            "name the folder that was unpacked"
        )
    return [Case(place.name, place.name, partial(_make, place)) for place in patients]


def _candidates(place: Path, name: str) -> list[Path]:
    return [path for path in (place / name, place / f"{name}.zip") if path.exists()]


def _inner(place: Path, name: str) -> Path:
    """Folder of that name, also where unpacking made it twice."""
    folder = place / name
    if not folder.is_dir():
        remedy = f"unpack {name}.zip there" if folder.with_suffix(".zip").is_file() else "get the set again"
        raise FileNotFoundError(f"{place} must hold the folder {name}, got none; {remedy}")
    return folder / name if (folder / name).is_dir() else folder


def _make(place: Path, draft: Draft, generator: Generator, options: Options) -> list[dict[str, Any]]:
    series, masks = _inner(place, IMAGE_FOLDER), _inner(place, MASK_FOLDER)
    voxels, meta = CTReader().get_data([series])
    hu, affine = to_lps(voxels, meta["affine"])
    names = [Path(name).name for name in sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series))]

    def read(folder: Path) -> np.ndarray:
        return to_lps(_read_mask(folder, names, voxels.shape), meta["affine"])[0]

    labels, count = np.zeros(hu.shape, np.uint8), 0
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    for path in sorted(masks.iterdir()):
        match = _LESION.fullmatch(path.name)
        if match is None or not path.is_dir():
            continue
        mask = read(path)
        found = mask.astype(np.uint8) if match["number"] else instance_map(mask, spacing)
        known = (found > 0) & (found != UNKNOWN_VALUE)
        labels[known] = found[known] + count
        labels[(found == UNKNOWN_VALUE) & (labels == 0)] = UNKNOWN_VALUE
        count += int(found[known].max(initial=0))
    organ = read(masks / ORGAN_FOLDER) if (masks / ORGAN_FOLDER).is_dir() else None
    written = draft.write_map(f"{place.name}_lesions", labels, affine)
    return described_entries(draft, series, written, (hu, labels, organ, affine), generator, options)


def _read_mask(folder: Path, names: list[str], shape: tuple[int, ...]) -> np.ndarray:
    """Mask (W, H, D) of one structure, its slices matched to those of the image by name."""
    missing = [name for name in names if not (folder / name).is_file()]
    own = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)) if missing else ()
    if missing and len(own) == len(names):  # other names, the same places
        names = [Path(name).name for name in own]
    elif missing:
        raise ValueError(
            f"{folder} must hold one file of each slice, named as in {IMAGE_FOLDER}, got no {missing[0]} "
            f"({len(missing)} of {len(names)} missing); get the set again"
        )
    slices = []
    for name in names:
        try:
            slices.append(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name), imageIO="GDCMImageIO")).T)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"{folder / name} must be a DICOM image that can be read, got: {reason}") from None
    if {array.shape for array in slices} != {(*shape[:2], 1)}:
        raise ValueError(
            f"{folder} must hold slices of {shape[:2]} pixels, got {slices[0].shape[:2]}; get the set again"
        )
    values, mask = np.unique(np.concatenate(slices, axis=2), return_inverse=True)
    if len(values) > 2:
        raise ValueError(f"{folder} must hold two values, inside and outside, got {values[:5].tolist()}")
    return mask.reshape(shape) > 0
