# SPDX-License-Identifier: Apache-2.0
"""`lsms datalist`: turn a public data set into a datalist, or check one."""

from pathlib import Path

import click

from lsms_monai.cli.shell import plain_errors, plain_warnings, progress_bar

FORMATS = ("msd", "lits", "ircadb", "qata", "mosmed", "monuseg", "csv", "check")


@click.command()
@click.argument("format_name", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("place", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "--output", "out", type=click.Path(path_type=Path), help="The datalist to write, a .json file.")
@click.option("--skip-corrupt", is_flag=True, help="Leave out images that cannot be read, and say which.")
@click.option("--resplit", is_flag=True, help="Where sections share a patient, split them anew by patient.")
@click.option(
    "--split",
    nargs=3,
    type=float,
    default=(0.7, 0.1, 0.2),
    show_default=True,
    help="Rates of training, validation and test, for sets without a split of their own.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same split and expressions.")
@click.option(
    "--expressions",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="How many, of each CT or slice (CT sets).",
)
@click.option("--slices", is_flag=True, help="Speak of each axial slice by itself, as training needs it (CT sets).")
@click.option("--overwrite", is_flag=True, help="Replace an earlier datalist.")
def datalist(
    format_name: str,
    place: Path,
    out: Path | None,
    skip_corrupt: bool,
    resplit: bool,
    split: tuple[float, float, float],
    seed: int,
    expressions: int,
    slices: bool,
    overwrite: bool,
) -> None:
    """Turn the data set in the folder DIR into a datalist, split by patient.

    \b
    FORMAT
      msd, lits   Decathlon Task03 (imagesTr, labelsTr) or LiTS (volume-N.nii, segmentation-N.nii)
      ircadb      3D-IRCADb-01 (3Dircadb1.N/PATIENT_DICOM and MASKS_DICOM)
      qata, mosmed, monuseg
                  pictures with the text spreadsheets of LViT (Train_Folder/img, labelcol, Train_text.xlsx)
      csv         a table with the columns image, label, expression and, if need be, slice_index,
                  label_value, patient_id, study_id, split: one row for each expression
      check       no data set: DIR is a datalist, and each entry is held against its label map

    For CT without text the expressions come from the masks, as by `lsms describe`. A patient in two sections and
    images that cannot be read are errors; nothing is written then.

    \b
    Examples:
      lsms datalist msd Task03_Liver -o Task03_Liver/datalist.json --slices
      lsms datalist csv my_table.csv -o datalist.json
      lsms datalist check datalist.json
    """  # noqa: D301
    if (out is None) != (format_name == "check"):
        raise click.UsageError("Option '-o' / '--output' says where to write: required, but not with check.")
    with plain_errors(), plain_warnings():
        if out is None:
            _check(place)
            return
        from lsms_monai.data.public_sets import FORMATS as READERS
        from lsms_monai.data.public_sets import Options, write_datalist

        with progress_bar("Reading images") as progress:
            result = write_datalist(
                READERS[format_name](place),
                out,
                options=Options(expressions, slices),
                split=split,
                seed=seed,
                skip_corrupt=skip_corrupt,
                resplit=resplit,
                overwrite=overwrite,
                progress=progress,
            )
        for message in result.skipped:
            click.echo(f"Left out: {message}", err=True)
        if result.resplit:
            click.echo(f"Warning: {', '.join(result.resplit)} shared patients and were split anew", err=True)
        counts = ", ".join(f"{count} {name}" for name, count in result.num_entries.items())
        click.echo(f"{counts} expressions, {len(result.skipped)} images left out: {out}")


def _check(place: Path) -> None:
    """Say what is wrong in a datalist; exit status 1 if anything is."""
    from lsms_monai.data.checking import check_datalist

    check = check_datalist(place)
    for problem in check.problems:
        click.echo(problem)
    click.echo(
        f"{check.num_entries} entries, {len(check.problems)} wrong; not judged: {check.num_not_understood} not "
        f"understood, {check.num_undecided} that the image does not decide"
    )
    if check.problems:
        raise click.exceptions.Exit(1)
