# SPDX-License-Identifier: Apache-2.0
"""`lsms describe`: write expressions for the lesions of a CT."""

from pathlib import Path

import click

from lsms_monai.cli.shell import plain_errors, plain_warnings


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("label", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "out", required=True, type=click.Path(path_type=Path), help="The datalist to write, a .json file."
)
@click.option("--organ", type=click.Path(path_type=Path), help="Mask of the liver, above 0 inside: more can be said.")
@click.option(
    "--lesion-value",
    type=click.IntRange(1),
    metavar="N",
    help="The value of the lesions where LABEL holds the liver too, 2 in LiTS; the rest of it is the liver then.",
)
@click.option(
    "--expressions", default=6, show_default=True, type=click.IntRange(1), help="How many, of the CT or of each slice."
)
@click.option("--slices", is_flag=True, help="Speak of each axial slice by itself, as training needs it.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same expressions.")
@click.option(
    "--section", default="training", show_default=True, help="List of the datalist: training, validation, test."
)
@click.option(
    "--patient", metavar="ID", help="Whose CT it is; the name of the image with its folder unless given, as in p1/ct."
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier datalist.")
def describe(
    image: Path,
    label: Path,
    out: Path,
    organ: Path | None,
    lesion_value: int | None,
    expressions: int,
    slices: bool,
    seed: int,
    section: str,
    patient: str | None,
    overwrite: bool,
) -> None:
    """Write expressions for the lesions of a CT whose outlines are known.

    IMAGE is a CT as for `lsms segment`. LABEL is a label map on its voxels: one value for each lesion, or 1 in all of
    them; then each connected part becomes a lesion with a value of its own, in a file beside the datalist.

    Each expression means exactly the lesions that its entry names, or truly none: nothing is said where sides, sizes
    or attenuations lie too near to each other.

    \b
    Examples:
      lsms describe ct.nii.gz lesions.nii.gz --organ liver.nii.gz -o datalist.json
      lsms describe volume-0.nii segmentation-0.nii --lesion-value 2 --slices -o datalist.json
    """  # noqa: D301
    with plain_errors(), plain_warnings():
        from lsms_monai.data.description import describe_files

        entries = describe_files(
            image,
            label,
            out,
            organ=organ,
            lesion_value=lesion_value,
            num_expressions=expressions,
            slices=slices,
            seed=seed,
            section=section,
            patient_id=patient,
            overwrite=overwrite,
        )
        for entry in entries[:10]:
            where = f"slice {entry['slice_index']}: " if "slice_index" in entry else ""
            click.echo(f"{where}“{entry['expression']}” {entry['label_value'] or 'nothing'}")
        more = f" ({len(entries) - 10} more)" if len(entries) > 10 else ""
        click.echo(f"{len(entries)} expressions{more}: {out}")
