# SPDX-License-Identifier: Apache-2.0
"""`lsms phantom`: write artificial CTs with known lesions."""

from pathlib import Path

import click

from lsms_monai.cli.shell import plain_errors, plain_warnings


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--patients", default=10, show_default=True, type=click.IntRange(1), help="Number of artificial patients."
)
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same images.")
@click.option("--volumes", is_flag=True, help="Small volumes of 24 slices instead of single slices.")
def phantom(out: Path, patients: int, seed: int, volumes: bool) -> None:
    """Write artificial CTs with known liver lesions into the new folder OUT.

    Each has up to five lesions, their true masks, and expressions that name some of them: enough to try the program
    and to train on without any patient's data. A third of the single slices show chest, pelvis or thighs and no lesion;
    volumes always show the liver.

    \b
    Example:
      lsms phantom my_phantoms --patients 3 --volumes
    """  # noqa: D301
    with plain_errors(), plain_warnings():
        import json

        from lsms_monai.data.draft import SECTIONS
        from lsms_monai.data.phantom import SLICE_SHAPE, VOLUME_SHAPE, write_phantoms

        shape = VOLUME_SHAPE if volumes else SLICE_SHAPE
        datalist = write_phantoms(out, num_patients=patients, seed=seed, shape=shape)
        sections = json.loads(datalist.read_text(encoding="utf-8"))
        entries = [entry for name in SECTIONS for entry in sections[name]]
        click.echo(f"{patients} phantoms and {len(entries)} expressions: {datalist}")
        click.echo(f'Try: lsms segment {out / entries[0]["image"]} "{entries[0]["expression"]}" -o results')
