# SPDX-License-Identifier: Apache-2.0
"""The DICOM series that an answer is about, as far as new objects refer to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

_LPS_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))
_NEEDED = ("StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
# Type 2 of the modules of patient and study: highdicom wants them to be there, DICOM lets them be empty.
_MAY_BE_EMPTY = (
    "PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime "
    "ReferringPhysicianName"
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
            if not header.get("SliceThickness"):
                header.SliceThickness = f"{np.linalg.norm(affine[:3, 2]):.6g}"
        to_voxel = np.linalg.inv(_LPS_TO_RAS @ affine)
        corners = np.array([[*header.ImagePositionPatient, 1.0] for header in headers])
        voxels = np.rint((corners @ to_voxel.T)[:, :3])
        order = np.argsort(voxels[:, 2])
        expected = np.outer(np.arange(len(headers)), (0, 0, 1))
        if not np.array_equal(voxels[order], expected):
            raise ValueError(
                f"the {len(headers)} DICOM files must be the slices of the volume, got other positions; "
                "give the files that the volume was read from"
            )
        return cls([headers[n] for n in order], affine)

    def nearest(self, point_mm: Sequence[float]) -> Dataset:
        """Give the slice nearest to a point in RAS mm."""
        k = (np.linalg.inv(self.affine) @ [*point_mm, 1.0])[2]
        return self.slices[int(np.clip(round(k), 0, len(self.slices) - 1))]


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
                f"DICOM SEG needs slices that say where they lie, got no {keyword} in {name}; export the series again"
            )
