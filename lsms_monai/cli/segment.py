# SPDX-License-Identifier: Apache-2.0
"""`lsms segment`: outline in a CT what expressions name."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from lsms_monai.cli.dicom_output import dicom_output
from lsms_monai.cli.shell import (
    bundle_option,
    default_bundle,
    device_option,
    plain_errors,
    plain_warnings,
    progress_bar,
    read_image,
    say_that_it_loads,
)
from lsms_monai.cli.study import ask, model_of


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("expressions", nargs=-1, required=True, metavar="EXPRESSION [EXPRESSION ...]")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Folder for the results; made if need be. May be left out with --dicom-seg.",
)
@click.option(
    "--dicom-seg",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write all masks as one DICOM SEG for a PACS; IMAGE must be DICOM.",
)
@click.option(
    "--sr", metavar="FILE", type=click.Path(path_type=Path), help="Write a DICOM report with the size of each lesion."
)
@bundle_option
@device_option
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
def segment(
    image: Path,
    expressions: tuple[str, ...],
    output_dir: Path | None,
    dicom_seg: Path | None,
    sr: Path | None,
    bundle: Path | None,
    device: str | None,
    overwrite: bool,
) -> None:
    """Outline in a CT what each EXPRESSION names.

    IMAGE is a CT in Hounsfield units: one file (.nii, .nii.gz, .nrrd, .mha, .dcm, or a .png/.jpg slice) or the folder
    of one DICOM series. An EXPRESSION is a short English phrase as in a report, in quotes; left and right are the
    patient's. On a volume it speaks of the whole volume: "the largest lesion" is one lesion. Several expressions give
    several, independent answers; "nothing found" is an answer too.

    \b
    Examples:
      lsms segment ct.nii.gz "the largest lesion in the right lobe" -o results
      lsms segment dicom_folder "the cyst" "all hypodense lesions" -o results
      lsms segment dicom_folder "the cyst" --dicom-seg cyst.dcm --sr report.dcm

    \b
    For every expression the output folder receives
      NN_words_overlay.png  a picture of the slice with the largest area: look at it first
      NN_words_seg.nii.gz   the mask, 1 inside, in the geometry of the CT
    and once
      answer.json           found or not, and how the words were resolved; volume,
                            longest axial diameter, mean HU, position, slices and
                            confidence of every lesion

    Right and left on the pictures are marked R and L.
    """  # noqa: D301
    if output_dir is None and dicom_seg is None:
        raise click.UsageError("Missing option '-o' / '--output-dir' (or '--dicom-seg').")
    with plain_errors(), plain_warnings() as seen:
        say_that_it_loads()
        from lsms_monai.predictor import BundlePredictor, check_expressions
        from lsms_monai.report import output_folder, write_report

        check_expressions(expressions)
        folders = nullcontext() if output_dir is None else output_folder(output_dir, overwrite=overwrite)
        with dicom_output(image, expressions, dicom_seg, sr, overwrite) as refer, folders as folder:
            volume, affine = read_image(image)
            write_dicom = refer(affine)
            bundle = bundle or default_bundle()
            predictor = BundlePredictor(bundle, device)
            start = time.perf_counter()
            with progress_bar("Segmenting slices") as progress:
                answers = ask(predictor, volume, affine, expressions, progress)
            about = {
                "image": str(image),
                "model": model_of(predictor.metadata, bundle),
                "duration_s": round(time.perf_counter() - start, 2),
                "warnings": seen,
            }
            write_dicom(answers, predictor.metadata)
            if folder is None:
                content = {"answers": [answer.to_dict() for answer in answers]}
            else:
                content = write_report(folder, volume, affine, answers, about)
        _tell(content["answers"], output_dir, dicom_seg, sr)


def _tell(answers: Sequence[dict[str, Any]], output_dir: Path | None, *dicom: Path | None) -> None:
    """Say in plain lines what was found and where it is."""
    for answer in answers:
        click.echo(f"“{answer['expression']}”")
        for line in (answer["summary"], answer["resolution"]):
            click.echo(f"  {line}")
        if output_dir is not None:
            click.echo(f"  {output_dir / answer['overlay']}")
    if output_dir is not None:
        click.echo(f"All numbers: {output_dir / 'answer.json'}")
    for path in filter(None, dicom):
        click.echo(f"DICOM: {path}")
