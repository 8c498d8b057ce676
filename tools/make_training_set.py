# SPDX-License-Identifier: Apache-2.0
"""Write the data set that the shipped weights are trained on."""

from pathlib import Path

import click

from lsms_monai.data.training_set import write_training_set


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--phantoms", default=2000, show_default=True, help="Number of phantoms.")
@click.option("--livers", type=click.Path(exists=True, path_type=Path), help="Folder of ID_img.png and ID_lab.png.")
@click.option("--copies", default=3, show_default=True, help="Syntheses of each real slice.")
@click.option("--negatives", type=click.Path(exists=True, path_type=Path), help="Folder of NAME.npz without a liver.")
@click.option("--seed", default=0, show_default=True)
def main(out: Path, phantoms: int, livers: Path | None, copies: int, negatives: Path | None, seed: int) -> None:
    """Write phantoms, synthetic lesions in real livers and real slices without a liver into the new folder OUT."""
    with click.progressbar(length=1, label="Slices") as bar:

        def progress(done: int) -> None:
            bar.length = done + 1
            bar.update(1)

        datalist = write_training_set(
            out,
            num_phantoms=phantoms,
            livers_dir=livers,
            copies=copies,
            negatives_dir=negatives,
            seed=seed,
            progress=progress,
        )
    click.echo(str(datalist))


if __name__ == "__main__":
    main()
