# SPDX-License-Identifier: Apache-2.0
"""What `lsms segment` writes for a PACS."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Write = Callable[[Sequence[Any], dict[str, Any]], None]


@contextmanager
def dicom_output(
    image: Path, expressions: Sequence[str], seg: Path | None, sr: Path | None, overwrite: bool
) -> Iterator[Callable[[Any], Write]]:
    """Give a function that takes the image's affine and gives another one, which writes a DICOM SEG and a report.

    The first refuses a series that they cannot refer to, before anything is computed. The second takes the answers and
    the metadata of the bundle. The files appear when the block ends without an error.

    Args:
        image: the folder of a DICOM series, or one DICOM file.
        expressions: what will be asked.
        seg: file for the segmentation; None writes nothing.
        sr: file for the report, or None.
        overwrite: replace files that exist.

    Raises:
        ValueError: if there is a report without a segmentation, no DICOM to refer to, or words DICOM cannot keep.
    """
    if seg is None:
        if sr is not None:
            raise ValueError("--sr needs the segmentation that the report refers to, got none; add --dicom-seg")
        yield lambda affine: lambda answers, metadata: None
        return
    from lsms_monai.data.dicom import dicom_files, is_dicom_file
    from lsms_monai.dicom_seg import (
        Algorithm,
        SourceSeries,
        check_source,
        measurement_report,
        output_files,
        segmentation,
    )
    from lsms_monai.dicom_seg import check_expressions as check_for_dicom

    if image.is_file() and not is_dicom_file(image):
        raise ValueError(f"--dicom-seg needs a DICOM series to refer to, got {image.name}; give a DICOM folder")
    check_for_dicom(expressions)
    with output_files(*filter(None, (seg, sr)), overwrite=overwrite) as hidden:

        def refer(affine: Any) -> Write:
            source = SourceSeries.read(dicom_files(image), affine)
            check_source(source)

            def write(answers: Sequence[Any], metadata: dict[str, Any]) -> None:
                algorithm = Algorithm.of_bundle(metadata)
                dataset = segmentation(source, answers, algorithm)
                dataset.save_as(hidden[0])
                if sr is not None:
                    measurement_report(source, dataset, answers, algorithm).save_as(hidden[1])

            return write

        yield refer
