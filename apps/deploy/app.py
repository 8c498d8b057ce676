# SPDX-License-Identifier: Apache-2.0
"""The application for MONAI Deploy: a DICOM folder and expressions in, a DICOM SEG out.

Research software: not a medical device, not for diagnosis or treatment.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")  # an error is told once, by main

import _cudart  # noqa: F401, I001 - before MONAI, which imports Holoscan
import lsms_monai
from lsms_monai.cli.shell import plain_warnings
from lsms_monai.dicom_seg import check_expressions as check_for_dicom
from lsms_monai.predictor import check_expressions
from lsms_monai.report import output_folder
from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.core.runtime_env import RuntimeEnv
from operators import RESULT_FILES, SegmentByExpressionOperator, SelectSeriesOperator, WriteResultOperator
from prompts import PROMPTS_VARIABLE, read_prompts
from series import MIN_SLICES


class LSMSApp(Application):
    """Choose a series, segment it by expressions, write what was found.

    Args:
        folder: DICOM files.
        bundle: the model.
        staging: an existing folder for the results.
        expressions: what to look for.
        options: `min_slices`, `uid` of the series, `device`, and `about`, which goes into `answer.json`.
    """

    def __init__(self, folder: Path, bundle: Path, staging: Path, expressions: Sequence[str], **options: Any) -> None:
        self._folder, self._bundle, self._staging = folder, bundle, staging
        self._expressions, self._options = expressions, options
        super().__init__()

    def compose(self) -> None:
        """Connect the three operators."""
        o = self._options
        select = SelectSeriesOperator(
            self, CountCondition(self, 1), name="select", folder=self._folder, min_slices=o["min_slices"], uid=o["uid"]
        )
        segment = SegmentByExpressionOperator(
            self, name="segment", bundle=self._bundle, expressions=self._expressions, device=o["device"]
        )
        write = WriteResultOperator(self, name="write", folder=self._staging, about=o["about"])
        self.add_flow(select, segment, {("files", "files")})
        self.add_flow(segment, write, {("result", "result")})


def find_bundle(place: Path) -> Path:
    """Find the bundle at a place, or up to two folders below, where a packager may have put it.

    Raises:
        FileNotFoundError: if there is none.
    """
    for pattern in ("", "*/", "*/*/"):
        for config in sorted(place.glob(f"{pattern}configs/inference.json")):
            return config.parents[1]
    raise FileNotFoundError(f"bundle not found: {place}; give the folder with configs/inference.json by --model")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application; an error is one line and status 1, and leaves nothing behind."""
    options = _parse(arguments)
    try:
        with plain_warnings() as seen:
            _run(options, seen)
    except Exception as error:
        sys.stderr.write(f"Error: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(f"Results: {options.output}\n")
    return 0


def _run(options: argparse.Namespace, seen: list[str]) -> None:
    if not options.input.is_dir():
        raise FileNotFoundError(f"input must be a folder of DICOM files, got {options.input}; give it by --input")
    asked = read_prompts(options.input, options.prompt)
    expressions = check_expressions(asked["prompts"])
    check_for_dicom(expressions)
    bundle = find_bundle(options.model)
    with output_folder(options.output, overwrite=options.overwrite, ours=RESULT_FILES) as staging:
        LSMSApp(
            options.input,
            bundle,
            staging,
            expressions,
            min_slices=options.min_slices,
            uid=options.series or asked.get("series"),
            device=options.device,
            about={"image": str(options.input), "lsms_monai": lsms_monai.__version__, "warnings": seen},
        ).run()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    environment = RuntimeEnv()
    parser = argparse.ArgumentParser(prog="python apps/deploy", description=__doc__, allow_abbrev=False)
    path = {"type": Path, "metavar": "FOLDER"}
    parser.add_argument(
        "-i", "--input", default=Path(environment.input), help="DICOM files, also in subfolders", **path
    )
    parser.add_argument("-o", "--output", default=Path(environment.output), help="for the results", **path)
    parser.add_argument("-m", "--model", default=Path(environment.model), help="the bundle", **path)
    parser.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="WORDS",
        help=f"an expression; may be repeated. Else ${PROMPTS_VARIABLE} or prompts.json in the input folder",
    )
    parser.add_argument("--series", metavar="UID", help="Series Instance UID, where several series fit")
    parser.add_argument("--min-slices", type=int, default=MIN_SLICES, metavar="N", help="pass over shorter series")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N; by default a GPU if there is one")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run")
    return parser.parse_args(arguments)
