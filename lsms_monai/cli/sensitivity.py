# SPDX-License-Identifier: Apache-2.0
"""`lsms sensitivity`: how much the answer about one image hangs on the wording."""

import json
from pathlib import Path

import click

from lsms_monai.cli.shell import (
    bundle_option,
    default_bundle,
    device_option,
    plain_errors,
    plain_warnings,
    read_image,
    say_that_it_loads,
)


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("expression")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="JSON file for the figures.")
@bundle_option
@device_option
@click.option("--paraphrases", default=6, show_default=True, type=click.IntRange(0), help="Other wordings to ask.")
@click.option("--seed", default=0, show_default=True, help="Of the paraphrases.")
@click.option("--overwrite", is_flag=True, help="Replace the JSON file of an earlier run.")
def sensitivity(
    image: Path,
    expression: str,
    output: Path | None,
    bundle: Path | None,
    device: str | None,
    paraphrases: int,
    seed: int,
    overwrite: bool,
) -> None:
    """Ask for one EXPRESSION in many wordings: can this answer be trusted?

    The same lesion in other words should give the same mask, the words for the other side should not. For every
    wording you get found or not, the score that there is such a lesion, the volume, and the agreement (Dice) with what
    most wordings of the same meaning mark.

    \b
    Example:
      lsms sensitivity ct.nii.gz "the largest lesion in the right lobe" -o check.json
    """  # noqa: D301
    with plain_errors(), plain_warnings():
        say_that_it_loads()
        from lsms_monai import evaluation
        from lsms_monai.predictor import BundlePredictor, check_expressions

        check_expressions([expression])
        if output is not None and not output.absolute().parent.is_dir():
            raise FileNotFoundError(f"{output.parent} must be an existing folder, got none; make it or choose another")
        if output is not None and output.exists() and not overwrite:
            raise FileExistsError(f"{output} exists already; choose another name, or replace it with --overwrite")
        volume, affine = read_image(image)
        predictor = BundlePredictor(bundle or default_bundle(), device)
        content = evaluation.sensitivity(predictor, volume, affine, expression, num_paraphrases=paraphrases, seed=seed)
        for line in evaluation.sensitivity_table(content):
            click.echo(line)
        if output is not None:
            part = output.with_name(f".{output.name}.part")
            text = json.dumps({"image": str(image), **content}, indent=2, ensure_ascii=False, allow_nan=False)
            part.write_text(text + "\n", encoding="utf-8")
            part.replace(output)
