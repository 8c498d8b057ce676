# SPDX-License-Identifier: Apache-2.0
"""The DICOM series that an answer is about, as far as new objects refer to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from lsms_monai.data.geometry import LPS_TO_RAS

_ONE_FOR_ALL = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_NEEDED = (*_ONE_FOR_ALL, "SOPClassUID", "SOPInstanceUID", *_PLACE)
# Type 2 of the modules of patient and study, and the modality: highdicom wants them to be there, though empty.
_MAY_BE_EMPTY = (
    "PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime "
    "ReferringPhysicianName Modality"
).split()


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """The slices that a volume was read from: `slices[k]` is the header of the voxels [:, :, k].

    Args:
        slices: headers without pixels.
        affine: 4x4, voxel -> RAS mm.
    """

    slices: list[Dataset]
    affine: np.ndarray

    @classmethod
    def read(cls, files: Sequence[Path], affine: np.ndarray) -> "SourceSeries":
        """Read headers and put them in the order of the volume, whatever the order of the files.

        Args:
            files: DICOM files of one series; reports and the like among them are passed over.
            affine: 4x4, voxel -> RAS mm, as `read_dicom_files` gave it for these files.

        Raises:
            ValueError: if a slice does not say where it lies, or the slices are not those of the volume.
        """
        headers = [header for path in files if _is_slice(header := _read_header(path))]
        for header in headers:
            _check_header(header)
            # the reader lets slices differ a little, a SEG has one orientation
            header.ImageOrientationPatient = headers[0].ImageOrientationPatient
            if not header.get("SliceThickness"):
                header.SliceThickness = f"{np.linalg.norm(affine[:3, 2]):.6g}"
        _check_unity(headers)
        return cls([headers[n] for n in _order(headers, affine)], affine)

    def nearest(self, point_mm: Sequence[float]) -> Dataset:
        """Give the slice nearest to a point in RAS mm."""
        k = (np.linalg.inv(self.affine) @ [*point_mm, 1.0])[2]
        return self.slices[int(np.clip(round(k), 0, len(self.slices) - 1))]


def _order(headers: Sequence[Dataset], affine: np.ndarray) -> np.ndarray:
    """Indices of the headers from the first slice of the volume to the last; their distances may differ a little."""
    corners = np.array([[*header.ImagePositionPatient, 1.0] for header in headers])
    voxels = (corners @ np.linalg.inv(LPS_TO_RAS @ affine).T)[:, :3]
    order = np.argsort(voxels[:, 2])
    in_plane, along = voxels[:, :2], voxels[order, 2]
    ends = (0, len(headers) - 1)
    if np.abs(in_plane).max() >= 0.5 or np.diff(along).min(initial=1) <= 0.5 or (np.rint(along[[0, -1]]) != ends).any():
        raise ValueError(
            f"the {len(headers)} DICOM files must be the slices of the volume, got other positions; "
            "give the files that the volume was read from"
        )
    return order


def _read_header(path: Path) -> Dataset:
    header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def _is_slice(header: Dataset) -> bool:
    return "Rows" in header and header.get("Modality") in ("CT", "", None)


def _check_header(header: Dataset) -> None:
    """Refuse what SEG cannot refer to."""
    name = Path(str(header.filename)).name
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ValueError(f"DICOM SEG needs one file per slice, got the multi-frame file {name}; export single slices")
    for keyword in _NEEDED:
        if not header.get(keyword):
            raise ValueError(
                f"DICOM SEG needs slices that say what they are and where they lie, got no {keyword} in {name}; "
                "export the series again"
            )


def _check_unity(headers: Sequence[Dataset]) -> None:
    """Refuse slices of several studies or frames of reference."""
    for keyword in _ONE_FOR_ALL:
        found = sorted({str(header[keyword].value) for header in headers})
        if len(found) > 1:
            raise ValueError(
                f"DICOM SEG needs slices that share one {keyword}, got {', '.join(found[:3])}; export the series again"
            )
