# SPDX-License-Identifier: Apache-2.0
"""Data in the making, a datalist with its label maps or a whole folder: written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lsms_monai.keys import IMAGE, LABEL, ORGAN

SECTIONS = ("training", "validation", "test")


class Draft:
    """Collects entries and files of a datalist.

    Args:
        out: path of the datalist to be.
        part: folder that takes the files for now.
    """

    def __init__(self, out: Path, part: Path) -> None:
        self.out = out
        self.part = part
        self.sections: dict[str, list[dict[str, Any]]] = {}

    def write_map(self, name: str, array: np.ndarray, affine: np.ndarray) -> str:
        """Write an image or label map as NIfTI.

        Args:
            name: of the file, without suffix.
            array: (W, H, D).
            affine: (4, 4), voxel to RAS mm.

        Returns:
            Its path for the datalist.
        """
        write_nifti(self.part / f"{name}.nii.gz", array, affine)
        return f"{files_folder(self.out).name}/{name}.nii.gz"

    def check_kept(self) -> None:
        """Refuse entries that name a file of an earlier datalist, in the folder that is about to be replaced."""
        replaced = files_folder(self.out)
        for entry in (entry for entries in self.sections.values() for entry in entries):
            for name in (str(entry[key]) for key in (IMAGE, LABEL, ORGAN) if key in entry):
                path = self.out.parent / name
                if replaced in path.parents and path.exists() and not (self.part / path.name).exists():
                    raise ValueError(f"{path} would be replaced with the files of {self.out.name}; choose another name")

    def path_of(self, path: str | Path) -> str:
        """Path of an existing file for the datalist: relative if it lies below the datalist's folder."""
        path, folder = Path(path).absolute(), self.out.parent.absolute()
        return path.relative_to(folder).as_posix() if folder in path.parents else str(path)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write an array (W, H, D) as NIfTI with its place in mm.

    Args:
        path: of the file.
        array: (W, H, D).
        affine: (4, 4), voxel to RAS mm.
    """
    import nibabel

    nifti = nibabel.Nifti1Image(array, affine)
    nifti.header.set_xyzt_units("mm")
    nibabel.save(nifti, path)


def files_folder(out: Path) -> Path:
    """Folder beside a datalist that holds the files written with it."""
    return out.with_name(f"{out.stem}_files")


@contextmanager
def draft_datalist(out: Path, *, overwrite: bool = False) -> Iterator[Draft]:
    """Give a draft that becomes the datalist at the end, or vanishes on any failure.

    Args:
        out: path of the JSON file; files go into the folder `<name>_files` beside it.
        overwrite: replace an earlier datalist and its files.

    Raises:
        FileExistsError: if there is such a datalist and `overwrite` is not set, or such a folder without a datalist.
        ValueError: if the path does not end in .json, or an entry names a file that would be replaced.
    """
    files = files_folder(out)
    if out.suffix.lower() != ".json":
        raise ValueError(f"datalist must be a .json file, got {out}; give a path such as {out}/datalist.json")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists already; choose another name, or replace it with --overwrite")
    if files.exists() and not out.exists():
        raise FileExistsError(f"{files} exists already and belongs to no {out.name}; choose another name")
    with _part_of(out) as part:
        made = part / files.name
        made.mkdir()
        draft = Draft(out, made)
        yield draft
        draft.check_kept()
        (part / out.name).write_text(json.dumps(draft.sections, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if files.exists():
            files.rename(part / "replaced")
        if any(made.iterdir()):
            made.rename(files)
        (part / out.name).replace(out)


@contextmanager
def whole_or_nothing(out_dir: Path) -> Iterator[Path]:
    """Give a temporary folder with `images`, `labels`, `organs` that becomes `out_dir` or vanishes on any failure.

    Args:
        out_dir: new or empty folder.

    Raises:
        FileExistsError: if it holds anything.
    """
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise FileExistsError(f"folder for a data set must be new or empty, got {out_dir}; choose another or remove it")
    with _part_of(out_dir) as part:
        for name in ("images", "labels", "organs"):
            (part / name).mkdir()
        yield part
        part.chmod(0o755)
        part.rename(out_dir)


@contextmanager
def _part_of(out: Path) -> Iterator[Path]:
    """Give a folder beside what is to be, gone at the end."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.stem}.", dir=out.parent))
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
