# SPDX-License-Identifier: Apache-2.0
"""Write slices of patients with a sarcoma and their masks as the data of `bundle/configs/sarcoma.json`."""

import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.random import Generator

from lsms_monai.cli.shell import plain_errors, progress_bar
from lsms_monai.data.draft import Draft
from lsms_monai.data.public_sets import Case, Options, write_datalist
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL

CLASS_NAME = "soft-tissue sarcoma"
SPLIT = (0.6, 0.1, 0.3)  # of the patients: training, validation, test
ARRAYS = {"img": "iuf", "lab": "iu", "z": "iu", "spacing": "iuf"}  # and the kinds of number that they may hold


def cases(folder: Path) -> list[Case]:
    """One case for each patient of a folder with `STS_NNN.npz`.

    Raises:
        FileNotFoundError: if there are none.
    """
    files = sorted(folder.glob("STS_*.npz"))
    if not files:
        raise FileNotFoundError(f"{folder} must hold files STS_*.npz, got none; name the folder that has them")
    return [Case(path.stem, path.stem, partial(entries, path)) for path in files]


def entries(path: Path, draft: Draft, generator: Generator, options: Options) -> list[dict[str, Any]]:
    """Write the slices of one patient; an entry for each.

    Rows run to the back, as the table below the patient shows. Columns are taken to run to the patient's left, as in
    axial DICOM: an image of one leg cannot tell, and no expression asks for a side.

    Raises:
        ValueError: if the file is damaged, or does not hold what it should.
    """
    arrays = read(path)
    x_mm, y_mm, z_mm = arrays["spacing"]
    made = []
    for image, label, z in zip(arrays["img"], arrays["lab"], arrays["z"], strict=True):
        affine = np.diag((-x_mm, -y_mm, z_mm, 1.0))
        affine[2, 3] = z * z_mm
        name = f"{path.stem}_{z:03d}"
        paths = {
            key: draft.write_map(f"{name}_{key}", array.T[..., None].astype(dtype), affine)  # (H, W) -> (W, H, 1)
            for key, array, dtype in ((IMAGE, image, np.int16), (LABEL, label, np.uint8))
        }
        made.append({**paths, EXPRESSION: CLASS_NAME})
    return made


def read(path: Path) -> dict[str, np.ndarray]:
    """Image and label (z, y, x), the numbers of their slices, and the spacing (x, y, z) in mm of one patient.

    Raises:
        ValueError: if the file is damaged, or does not hold what it should.
    """
    try:
        with np.load(path) as content:
            arrays = {name: content[name] for name in ARRAYS}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"must be a npz file with {', '.join(ARRAYS)}, got an error: {error}; copy it again"
        ) from error
    shape = arrays["img"].shape
    is_whole = (
        len(shape) == 3
        and arrays["lab"].shape == shape
        and arrays["z"].shape == shape[:1]
        and arrays["spacing"].shape == (3,)
        and all(arrays[name].dtype.kind in kinds for name, kinds in ARRAYS.items())
    )
    if not is_whole:
        found = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"must hold img and lab (z, y, x), z (z,) and spacing (3,) as numbers, got {found}")
    if not (arrays["spacing"] > 0).all() or not set(np.unique(arrays["lab"])) <= {0, 1}:
        raise ValueError(
            f"spacing must be above 0 and lab hold 0 and 1 alone, got {arrays['spacing'].tolist()} and "
            f"{np.unique(arrays['lab'])[:5].tolist()}"
        )
    return arrays


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(source: Path, out: Path) -> None:
    """Write the patients of the folder SOURCE (STS_NNN.npz) as the datalist OUT (.json), with its files beside it."""
    with plain_errors(), progress_bar("Patients") as progress:
        result = write_datalist(cases(source), out, split=SPLIT, progress=progress)
    click.echo(f"{', '.join(f'{count} {name}' for name, count in result.num_entries.items())} slices: {out}")


if __name__ == "__main__":
    main()
