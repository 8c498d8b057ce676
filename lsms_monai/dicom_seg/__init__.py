# SPDX-License-Identifier: Apache-2.0
"""Answers as DICOM objects a PACS can keep: a segmentation (SEG) and a measurement report (SR), through highdicom."""

try:
    import highdicom  # noqa: F401
except ImportError as error:
    raise ImportError(
        "DICOM SEG needs the package highdicom, which is not installed; run: pip install 'lsms-monai[dicom]'"
    ) from error

from lsms_monai.dicom_seg.files import output_files
from lsms_monai.dicom_seg.report import measurement_report
from lsms_monai.dicom_seg.segments import Algorithm, check_expressions, check_source, segmentation
from lsms_monai.dicom_seg.source import SourceSeries

__all__ = [
    "Algorithm",
    "SourceSeries",
    "check_expressions",
    "check_source",
    "measurement_report",
    "output_files",
    "segmentation",
]
