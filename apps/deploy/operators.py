# SPDX-License-Identifier: Apache-2.0
"""Three steps as operators of MONAI Deploy: choose a series, segment it by expressions, write what was found."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.deploy.core import Fragment, Operator, OperatorSpec
from series import select_series

from lsms_monai.answer import Answer
from lsms_monai.data.dicom import read_dicom_files
from lsms_monai.dicom_seg import Algorithm, SourceSeries, segmentation
from lsms_monai.predictor import BundlePredictor
from lsms_monai.report import RESULTS, write_report

SEG_FILE = "segmentation.dcm"
RESULT_FILES = re.compile(f"{RESULTS.pattern}|{re.escape(SEG_FILE)}")


@dataclass(frozen=True, eq=False)
class Result:
    """What was segmented, and how.

    Args:
        source: the series.
        volume: HU (W, H, D).
        answers: one per expression.
        metadata: of the bundle.
    """

    source: SourceSeries
    volume: np.ndarray
    answers: list[Answer]
    metadata: dict[str, Any]


class SelectSeriesOperator(Operator):
    """Emit the files of the one series in a folder that can be segmented.

    Named output:
        files: list of paths.
    """

    def __init__(self, fragment: Fragment, *args: Any, folder: Path, **kwargs: Any) -> None:
        self._folder = folder
        self._rule = {key: kwargs.pop(key) for key in ("min_slices", "uid")}
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("files")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        op_output.emit(select_series(self._folder, **self._rule), "files")


class SegmentByExpressionOperator(Operator):
    """Ask a bundle for every expression. Geometry comes from our own reader, not from Deploy's.

    Named input:
        files: DICOM files of one series.
    Named output:
        result: a `Result`.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        bundle: Path,
        expressions: Sequence[str],
        device: str | None,
        **kwargs: Any,
    ) -> None:
        self._bundle, self._expressions, self._device = bundle, expressions, device
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("files")
        spec.output("result")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        files = op_input.receive("files")
        volume, affine = read_dicom_files(files, files[0].parent)
        source = SourceSeries.read(files, affine)
        predictor = BundlePredictor(self._bundle, self._device)
        answers = predictor.predict(volume, affine, self._expressions)
        op_output.emit(Result(source, volume, answers, predictor.metadata), "result")


class WriteResultOperator(Operator):
    """Write the DICOM SEG, a NIfTI mask and a picture per expression, and `answer.json`.

    Named input:
        result: a `Result`.
    """

    def __init__(self, fragment: Fragment, *args: Any, folder: Path, about: dict[str, Any], **kwargs: Any) -> None:
        self._folder, self._about = folder, about
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("result")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        result = op_input.receive("result")
        algorithm = Algorithm.of_bundle(result.metadata)
        segmentation(result.source, result.answers, algorithm).save_as(self._folder / SEG_FILE)
        about = {
            **self._about,
            "series_instance_uid": str(result.source.slices[0].SeriesInstanceUID),
            "model": {"name": algorithm.name, "version": algorithm.version},
            "dicom_seg": SEG_FILE,
        }
        write_report(self._folder, result.volume, result.source.affine, result.answers, about)
