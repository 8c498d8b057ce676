# SPDX-License-Identifier: Apache-2.0
"""Find the one series in a folder that the model can read: CT, axial, enough slices.

MONAI Deploy's own loader drops one of two images at the same place without a word, and would mix two phases that share
a series. Here the folder is refused, by name, and a person decides.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from lsms_monai.data.dicom import is_dicom_file

MIN_SLICES = 3
_MIN_COSINE = np.cos(np.deg2rad(35))  # gantries tilt by 30 degrees at most
_TAGS = ["SOPClassUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "ImageType", "ImageOrientationPatient"]


@dataclass
class Series:
    """Files of one series and what was read from their headers."""

    uid: str
    files: list[Path] = field(default_factory=list)
    headers: list[pydicom.Dataset] = field(default_factory=list)

    def __str__(self) -> str:
        first = self.headers[0]
        words = f'"{first.get("SeriesDescription") or "no description"}"'
        return f"{words} ({first.get('Modality') or 'no modality'}, {len(self.files)} images, UID {self.uid})"


def select_series(folder: Path, *, min_slices: int = MIN_SLICES, uid: str | None = None) -> list[Path]:
    """Choose the series to segment.

    Args:
        folder: searched with its subfolders.
        min_slices: a series with fewer images is not considered.
        uid: the Series Instance UID, where several series fit.

    Returns:
        The files of the series.

    Raises:
        ValueError: if no series fits or several do, or a DICOM file cannot be read.
    """
    found = _read_series(folder)
    reasons = {
        series.uid: _why_not(series, min_slices) if uid in (None, series.uid) else "another UID" for series in found
    }
    fitting = [series for series in found if not reasons[series.uid]]
    if not fitting:
        listed = "; ".join(f"{series}: {reasons[series.uid]}" for series in found) or "no DICOM image"
        named = f" with the UID {uid}" if uid else ""
        raise ValueError(
            f"{folder} must hold an axial CT series of {min_slices} slices or more{named}, got {listed}; "
            "give the folder of such a series"
        )
    if len(fitting) > 1:
        listed = "; ".join(map(str, fitting))
        raise ValueError(
            f"{folder} must hold one axial CT series, got {len(fitting)}: {listed}; name one by --series, or by "
            '"series" in prompts.json'
        )
    return fitting[0].files


def _read_series(folder: Path) -> list[Series]:
    """Every series in a folder and its subfolders, in the order of their UIDs."""
    series: dict[str, Series] = defaultdict(lambda: Series(""))
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or not is_dicom_file(path):
            continue
        header = _read_header(path)
        uid = str(header.get("SeriesInstanceUID") or "")
        series[uid].uid = uid
        series[uid].files.append(path)
        series[uid].headers.append(header)
    return [series[uid] for uid in sorted(series)]


def _read_header(path: Path) -> pydicom.Dataset:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
    except (InvalidDicomError, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} must be a DICOM file that can be read, got: {error}; is the file whole?") from error
    if "SOPClassUID" not in header:
        raise ValueError(f"{path} must be a DICOM file that can be read, got no SOP Class UID; is the file whole?")
    return header


def _why_not(series: Series, min_slices: int) -> str:
    """Why a series cannot be segmented; nothing if it can."""
    first = series.headers[0]
    if (first.get("Modality") or "CT") != "CT":
        return f"modality {first.Modality}, not CT"
    if all("LOCALIZER" in _image_type(header) for header in series.headers):
        return "a localizer (scout view)"
    if len(series.files) < min_slices:
        return f"fewer than {min_slices} slices"
    orientation = first.get("ImageOrientationPatient")
    if orientation and len(orientation) == 6 and not _is_axial([float(value) for value in orientation]):
        return "not axial"
    return ""


def _image_type(header: pydicom.Dataset) -> str:
    return str(header.get("ImageType") or "").upper()


def _is_axial(orientation: Sequence[float]) -> bool:
    normal = np.cross(orientation[:3], orientation[3:])
    return bool(abs(normal[2]) >= _MIN_COSINE)
