# SPDX-License-Identifier: Apache-2.0
"""DICOM: a folder is read only if it holds one CT series, whole and evenly spaced."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from lsms_monai.data.geometry import LPS_TO_RAS

SPACING_TOLERANCE = 0.05  # of the distance between slices
# Storage classes: presentation states, waveforms, raw data, reports, documents, structure sets and plans
_NO_IMAGE = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(11|9|66|88|104|481\.[3-9])[.\0 ]")
# Transfer syntaxes that GDCM cannot decode: video, JPEG XL, High-Throughput JPEG 2000 and streams of JPIP
_NO_DECODER = re.compile(rb"1\.2\.840\.10008\.1\.2\.4\.(9[4-9]|1\d\d|20\d)(?=[\0 ])")
_TAGS = {
    "series": "0020|000e",
    "description": "0008|103e",
    "modality": "0008|0060",
    "image_type": "0008|0008",
    "position": "0020|0032",
    "orientation": "0020|0037",
    "pixel_size": "0028|0030",
    "thickness": "0018|0050",
}


@dataclass
class _Slice:
    """One DICOM file before its pixels are read; the orientation is that of rows and columns, in LPS."""

    path: Path
    tags: dict[str, str]
    size: tuple[int, ...]
    spacing: tuple[float, ...]

    def numbers(self, tag: str) -> np.ndarray:
        return np.array([float(part) for part in self.tags[tag].split("\\") if part.strip()])


def is_dicom_file(path: Path) -> bool:
    """Whether a file is DICOM, by its name or by the mark after its preamble; an index (DICOMDIR) is not."""
    if path.name.upper() == "DICOMDIR":
        return False
    if path.suffix.lower() == ".dcm":
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom_folder(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the one CT series in a folder.

    Args:
        folder: the files lie directly in it.

    Returns:
        Voxels (W, H, D) in HU and affine (4, 4), voxel to RAS mm. A tilted gantry shears the affine.

    Raises:
        ValueError: if there is no series or more than one, or it is not an evenly spaced CT volume.
    """
    return read_dicom_files(dicom_files(folder), folder)


def dicom_files(place: Path) -> list[Path]:
    """List the DICOM files of a series: those that lie directly in a folder, or the one file itself.

    Raises:
        ValueError: if there is none.
    """
    if place.is_file():
        return [place]
    files = sorted(path for path in place.iterdir() if path.is_file() and is_dicom_file(path))
    if not files:
        below = sorted({str(path.parent.relative_to(place)) for path in place.rglob("*.dcm")})
        hint = f"there are DICOM files in {below[:5]}: name that folder" if below else "name the folder of a series"
        raise ValueError(f"{place} must hold a DICOM series, got no DICOM file; {hint}")
    return files


def read_dicom_files(files: Sequence[Path], place: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the one CT series that the files make up.

    Args:
        files: DICOM files.
        place: what messages call them, the folder or the file.

    Returns:
        As `read_dicom_folder`.

    Raises:
        ValueError: as `read_dicom_folder`.
    """
    slices = _one_series(files, place)
    _check_kind(slices, place)
    _check_geometry(slices, place)
    slices, affine = _ordered(slices, place)
    return np.concatenate([_pixels(item.path) for item in slices], axis=2), affine


def _one_series(files: Sequence[Path], place: Path) -> list[_Slice]:
    """Headers of all images, or an error that lists the series."""
    series: dict[str, list[_Slice]] = defaultdict(list)
    for path in files:
        _check_codec(path)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            if _is_no_image(path):
                continue
            raise _unreadable(path, error) from error
        keys = reader.GetMetaDataKeys()
        tags = {name: reader.GetMetaData(tag).strip() if tag in keys else "" for name, tag in _TAGS.items()}
        series[tags["series"]].append(_Slice(path, tags, reader.GetSize(), reader.GetSpacing()))
    if not series:
        raise ValueError(f"{place} must be a DICOM image, got {len(files)} files without one; name the folder of a CT")
    if len(series) > 1:
        found = "; ".join(
            f'"{group[0].tags["description"] or "no description"}" ({group[0].tags["modality"]}, {len(group)} slices, '
            f"such as {group[0].path.name})"
            for group in sorted(series.values(), key=lambda group: group[0].tags["description"])
        )
        raise ValueError(
            f"{place} must hold one DICOM series, got {len(series)}: {found}; put the one you mean "
            "in a folder of its own"
        )
    return next(iter(series.values()))


def _check_kind(slices: Sequence[_Slice], place: Path) -> None:
    """Refuse other modalities and localizers: the model would answer, and mean nothing."""
    for item in slices:
        if item.tags["modality"] not in ("CT", ""):
            raise ValueError(
                f"{place} must be a CT, got modality {item.tags['modality']} in {item.path.name}; give a CT"
            )
        if "LOCALIZER" in item.tags["image_type"].upper():
            name = item.path.name
            raise ValueError(f"{place} must hold axial slices, got a localizer (scout view), {name}; take it out")


def _check_geometry(slices: Sequence[_Slice], place: Path) -> None:
    """Refuse what GDCM would guess: sides and millimetres that no header gives, or frames that are not quite even."""
    for item in slices:
        if item.size[2:] not in ((), (1,)):
            raise ValueError(
                f"{place} must be one file per slice, got {item.size[2]} frames in {item.path.name}; "
                "export the series as single slices"
            )
        told = {
            "place in the patient": item.numbers("position").size == 3 and item.numbers("orientation").size == 6,
            "pixel size": item.numbers("pixel_size").size == 2,
        }
        for what, is_told in told.items():
            if not is_told:
                raise ValueError(
                    f"{place} must give each slice's {what}, got none in {item.path.name}; export the series again"
                )


def _ordered(slices: Sequence[_Slice], place: Path) -> tuple[list[_Slice], np.ndarray]:
    """Slices from the first position to the last, and their affine; one slice is as thick as it says, or 1 mm."""
    first = slices[0]
    axes = first.numbers("orientation").reshape(2, 3)
    for item in slices:
        if item.size[:2] != first.size[:2] or not np.allclose(item.spacing[:2], first.spacing[:2], rtol=1e-3):
            raise ValueError(
                f"{place} must hold slices of one size, got {first.size[:2]} in {first.path.name} and "
                f"{item.size[:2]} in {item.path.name} (or other pixel sizes); put one series in a folder"
            )
        if not np.allclose(item.numbers("orientation").reshape(2, 3), axes, atol=1e-3):
            raise ValueError(
                f"{place} must hold parallel slices, got another orientation in {item.path.name} (a localizer?); "
                "take it out"
            )
    normal = np.cross(*axes)
    ranked = sorted(slices, key=lambda item: float(normal @ item.numbers("position")))
    if len(ranked) == 1:
        step = normal * next((size for size in first.numbers("thickness") if size > 0), 1.0)
    else:
        _check_gaps(ranked, np.array([normal @ item.numbers("position") for item in ranked]), place)
        step = (ranked[-1].numbers("position") - ranked[0].numbers("position")) / (len(ranked) - 1)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([axes[0] * first.spacing[0], axes[1] * first.spacing[1], step], axis=1)
    affine[:3, 3] = ranked[0].numbers("position")
    return ranked, LPS_TO_RAS @ affine


def _check_gaps(ranked: Sequence[_Slice], positions_mm: np.ndarray, place: Path) -> None:
    """Refuse two slices at one place and slices that are missing."""
    distances_mm = np.diff(positions_mm)
    usual_mm = float(np.sort(distances_mm)[(len(distances_mm) - 1) // 2])
    for (one, two), distance_mm, at_mm in zip(pairwise(ranked), distances_mm, positions_mm[:-1], strict=True):
        if distance_mm < 1e-3:
            raise ValueError(
                f"{place} must hold one slice per position, got {one.path.name} and {two.path.name} both at "
                f"{at_mm:.2f} mm; put one phase in a folder"
            )
        if abs(distance_mm - usual_mm) > SPACING_TOLERANCE * usual_mm:
            raise ValueError(
                f"{place} must hold evenly spaced slices, {usual_mm:.2f} mm apart, got {distance_mm:.2f} mm between "
                f"{one.path.name} ({at_mm:.2f} mm) and {two.path.name} ({at_mm + distance_mm:.2f} mm); "
                "slices are missing, or two series are mixed: export the series again"
            )


def _pixels(path: Path) -> np.ndarray:
    """Voxels (W, H, D) of one file, in HU."""
    try:
        image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    components = image.GetNumberOfComponentsPerPixel()
    if components != 1:
        raise ValueError(f"{path} must have one grey value per voxel, got {components} (colour?); give a CT")
    return sitk.GetArrayFromImage(image).T


def _check_codec(path: Path) -> None:
    """Refuse what cannot be decoded, before the decoder complains in words of its own."""
    with path.open("rb") as file:
        found = _NO_DECODER.search(file.read(1024))
    if found:
        raise ValueError(
            f"{path} must be stored in a way that GDCM decodes (uncompressed, JPEG, JPEG-LS, JPEG 2000, RLE), got "
            f"transfer syntax {found[0].decode()}; export the series uncompressed"
        )


def _is_no_image(path: Path) -> bool:
    """Whether a file says that it is a report, a presentation state, contours or other things beside the images."""
    with path.open("rb") as file:
        return _NO_IMAGE.search(file.read(1024)) is not None


def _unreadable(path: Path, error: RuntimeError) -> ValueError:
    reason = str(error).strip().splitlines()[-1].split("): ")[-1]
    return ValueError(f"{path} must be a DICOM image that can be read, got: {reason}; is the file whole?")
