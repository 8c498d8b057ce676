# SPDX-License-Identifier: Apache-2.0
"""Write the data set that the shipped weights are trained on."""

from pathlib import Path

import click

from lsms_monai.cli.shell import plain_errors
from lsms_monai.data.training_set import write_training_set


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--phantoms", default=2000, show_default=True, help="Number of phantoms that are one slice.")
@click.option("--volumes", default=0, show_default=True, help="Number of phantoms that are a volume.")
@click.option("--livers", type=click.Path(exists=True, path_type=Path), help="Folder of ID_img.png and ID_lab.png.")
@click.option("--copies", default=3, show_default=True, help="Syntheses of each real slice.")
@click.option("--outlines", type=click.Path(exists=True, path_type=Path), help="Lesions that people saw in the slices.")
@click.option("--negatives", type=click.Path(exists=True, path_type=Path), help="Folder of NAME.npz without a liver.")
@click.option(
    "--without-liver",
    type=(click.Path(exists=True, path_type=Path), int, int),
    multiple=True,
    help="CT with the first and the last of some slices that hold no liver, counted from 0 at the feet.",
)
@click.option("--spacing", default=2.0, show_default=True, help="Size of a pixel of what is written, in mm.")
@click.option("--seed", default=0, show_default=True)
def main(
    out: Path,
    phantoms: int,
    volumes: int,
    livers: Path | None,
    copies: int,
    outlines: Path | None,
    negatives: Path | None,
    without_liver: tuple[tuple[Path, int, int], ...],
    spacing: float,
    seed: int,
) -> None:
    """Write phantoms, synthetic lesions in real livers and real slices without a liver into the new folder OUT."""
    with plain_errors(), click.progressbar(length=1, label="Slices") as bar:

        def progress(done: int) -> None:
            bar.length = done + 1
            bar.update(1)

        datalist = write_training_set(
            out,
            num_phantoms=phantoms,
            num_volumes=volumes,
            livers_dir=livers,
            copies=copies,
            outlines=outlines,
            negatives_dir=negatives,
            without_liver=without_liver,
            spacing=spacing,
            seed=seed,
            progress=progress,
        )
    click.echo(str(datalist))


if __name__ == "__main__":
    main()
