# SPDX-License-Identifier: Apache-2.0
"""MONAI Deploy's own operators around `models/model.ts`: a pattern for pipelines that are made of them.

    LSMS_PROMPTS="the cyst" python apps/deploy/stock.py -i DICOM_FOLDER -o RESULTS -m bundle/models/model.ts

They take one expression, answer slice by slice, and read unequal pixel spacing wrongly: docs/monai_deploy.md. `app.py`
does not.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _cudart  # noqa: F401 - before MONAI, which imports Holoscan
import torch
from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application, Image, IOType, Operator, OperatorSpec
from monai.deploy.operators import (
    DICOMDataLoaderOperator,
    DICOMSegmentationWriterOperator,
    DICOMSeriesSelectorOperator,
    DICOMSeriesToVolumeOperator,
    MonaiBundleInferenceOperator,
)
from monai.deploy.operators.dicom_seg_writer_operator import SegmentDescription
from monai.deploy.operators.dicom_utils import ModelInfo
from monai.deploy.operators.monai_bundle_inference_operator import IOMapping
from prompts import read_prompts
from pydicom.sr.codedict import codes

import lsms_monai

RULES = '{"selections": [{"name": "CT", "conditions": {"Modality": "CT"}}]}'


class ExpressionOperator(Operator):
    """Send an expression as the bundle operator takes it: its UTF-8 bytes, uint8.

    Named output:
        expression: tensor (n,).
    """

    def __init__(self, fragment: Any, *args: Any, expression: str, **kwargs: Any) -> None:
        self._expression = expression
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("expression")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        op_output.emit(torch.tensor(list(self._expression.encode()), dtype=torch.uint8), "expression")


class StockApp(Application):
    """Load, select, convert, segment, write.

    Args:
        context: input and output folder, and the model.
        expression: what to look for.
    """

    def __init__(self, context: AppContext, expression: str) -> None:
        self._paths, self._expression = context, expression
        super().__init__()

    def compose(self) -> None:
        """Connect the operators."""
        once = (CountCondition(self, 1),)
        load = DICOMDataLoaderOperator(self, *once, name="load", input_folder=Path(self._paths.input_path))
        select = DICOMSeriesSelectorOperator(self, name="select", rules=RULES)
        volume = DICOMSeriesToVolumeOperator(self, name="volume")
        words = ExpressionOperator(self, *once, name="words", expression=self._expression)
        segment = MonaiBundleInferenceOperator(
            self,
            name="segment",
            app_context=self._paths,
            input_mapping=[
                IOMapping("image", Image, IOType.IN_MEMORY),
                IOMapping("expression", torch.Tensor, IOType.IN_MEMORY),
            ],
            output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
        )
        write = DICOMSegmentationWriterOperator(
            self,
            name="write",
            output_folder=Path(self._paths.output_path),
            segment_descriptions=[self._describe()],
            model_info=ModelInfo("lsms_monai", "LSMS", lsms_monai.__version__),
            custom_tags={"SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": "LSMS (research use only)"},
        )
        self.add_flow(load, select, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(select, volume, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(volume, segment, {("image", "image")})
        self.add_flow(words, segment, {("expression", "expression")})
        self.add_flow(segment, write, {("pred", "seg_image")})
        self.add_flow(select, write, {("study_selected_series_list", "study_selected_series_list")})

    def _describe(self) -> SegmentDescription:
        label = self._expression.encode("ascii", "replace").decode()[:64]
        kind = (codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion)
        return SegmentDescription(label, *kind, "lsms_monai", lsms_monai.__version__)


def main(arguments: Sequence[str]) -> None:
    """Run the pipeline.

    Args:
        arguments: the program's name, then those of every application of MONAI Deploy: -i, -o, -m.

    Raises:
        ValueError: if there is not exactly one expression.
    """
    context = Application.init_app_context(list(arguments))
    expressions = read_prompts(Path(context.input_path))["prompts"]
    if len(expressions) != 1:
        raise ValueError(
            f"MONAI Deploy's operators take one expression, got {len(expressions)}; use python apps/deploy"
        )
    StockApp(context, expressions[0]).run()


if __name__ == "__main__":
    main(sys.argv)
