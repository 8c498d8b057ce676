# SPDX-License-Identifier: Apache-2.0
"""QaTa-COV19-v2, MosMedData+ and MoNuSeg with the texts of LViT: pictures, masks and a spreadsheet for each split.

Li et al., LViT, https://arxiv.org/abs/2206.14718: `Train_Folder/img`, `Train_Folder/labelcol`,
`Train_Folder/Train_text.xlsx` with the columns Image and Description, and the same for Val and Test.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, UnidentifiedImageError

from lsms_monai.data.draft import Draft
from lsms_monai.data.geometry import LPS_TO_RAS
from lsms_monai.data.public_sets.case import Case, Options
from lsms_monai.data.reader import PICTURE_SUFFIXES
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE

FOLDERS = {"training": "Train", "validation": "Val", "test": "Test"}
COLUMNS = ("Image", "Description")
_PATIENT = re.compile(r"sub-S\d+|Morozov_study_\d+|Jun_.*case\d+|TCGA-\w\w-\w{4}", re.IGNORECASE)


def lvit_cases(folder: str | Path) -> list[Case]:
    """Find the pictures that a spreadsheet describes.

    The patient is read from the name of a picture where it tells (QaTa: the BIMCV subject, MosMedData+: study or case,
    MoNuSeg: the TCGA patient); other pictures count as a patient each.

    Args:
        folder: with `Train_Folder`, `Val_Folder` and `Test_Folder`, or some of them.

    Raises:
        FileNotFoundError: if there is none of these folders, or one has no spreadsheet.
        ValueError: if a spreadsheet cannot be read or lacks a column.
    """
    folder = Path(folder)
    cases = []
    for section, name in FOLDERS.items():
        place = next((path for path in (folder / f"{name}_Folder", folder / name) if path.is_dir()), None)
        if place is not None:
            cases += _section_cases(place, section)
    if not cases:
        raise FileNotFoundError(
            f"{folder} must hold Train_Folder, Val_Folder or Test_Folder, each with img, labelcol and a text "
            "spreadsheet, got none; name the folder that holds them"
        )
    return cases


def _section_cases(place: Path, section: str) -> list[Case]:
    """Cases of one folder: each row of its spreadsheet, and each picture without a row, to be reported."""
    sheets = sorted(place.glob("[!~.]*_text.xlsx")) or sorted(place.glob("[!~.]*.xlsx"))
    if len(sheets) != 1:
        found = [path.name for path in sheets]
        raise FileNotFoundError(f"{place} must hold one spreadsheet such as Train_text.xlsx, got {found}")
    pictures = {path.stem: path for path in sorted((place / "img").glob("[!.]*.*"))}
    masks = {path.stem: path for path in sorted((place / "labelcol").glob("[!.]*.*"))}
    texts: dict[str, list[str]] = defaultdict(list)
    for name, text in _read_table(sheets[0]):
        texts[Path(name).stem].append(text)
    cases = []
    for name in dict.fromkeys([*texts, *(stem for stem in pictures if not {stem, f"mask_{stem}"} & texts.keys())]):
        stem = name.removeprefix("mask_")
        patient = _PATIENT.search(stem)
        picture, mask = pictures.get(stem, place / "img" / f"{stem}.png"), masks.get(name) or masks.get(f"mask_{stem}")
        make = partial(_make, picture, mask or place / "labelcol" / f"{name}.png", texts.get(name, []), sheets[0])
        cases.append(Case(f"{section}_{stem}", patient.group(0) if patient else stem, make, section))
    return cases


def _read_table(path: Path) -> list[tuple[str, str]]:
    """Picture and text of each row that is not empty."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
    except Exception as error:  # openpyxl lets errors of zip, XML and its own pass
        raise ValueError(f"{path} must be a spreadsheet (.xlsx) that can be read, got: {error}") from error
    header = [str(cell).strip().lower() for cell in rows[0]] if rows else []
    missing = [name for name in COLUMNS if name.lower() not in header]
    if missing:
        raise ValueError(f"{path} must have the columns {list(COLUMNS)}, got {header} without {missing}")
    image, text = (header.index(name.lower()) for name in COLUMNS)
    return [(str(row[image]).strip(), str(row[text] or "").strip()) for row in rows[1:] if row[image] is not None]


def _make(
    picture: Path, mask: Path, texts: list[str], sheet: Path, draft: Draft, generator: Generator, options: Options
) -> list[dict[str, Any]]:
    """One entry for each text; it means the whole mask."""
    if not texts or not all(texts):
        raise ValueError(f"{sheet} must describe {picture.name}, got no row with a text for it")
    grey, is_grey = _read_picture(picture)
    inside, _ = _read_picture(mask)
    if inside.shape != grey.shape:
        raise ValueError(f"{mask} must have the size of its picture, got {inside.shape} and {grey.shape}")
    values = np.unique(inside)
    if len(values) > 2 or (values[0] > 0 and len(values) > 1):
        raise ValueError(
            f"{mask} must hold 0 and one other value, got {values[:5].tolist()}; save it without grey edges"
        )
    label = (inside > 0).astype(np.uint8)
    name = f"{picture.parent.parent.name}_{picture.stem}"
    image = draft.path_of(picture)
    if not is_grey or picture.suffix.lower() not in PICTURE_SUFFIXES:
        image = draft.write_map(name, grey[..., None], LPS_TO_RAS)
    written = draft.write_map(f"{name}_mask", label[..., None], LPS_TO_RAS)
    value = [1] if label.any() else []
    return [{IMAGE: image, LABEL: written, EXPRESSION: text, LABEL_VALUE: value} for text in dict.fromkeys(texts)]


def _read_picture(path: Path) -> tuple[np.ndarray, bool]:
    """Grey values (W, H) in the radiological view, and whether the file holds nothing but grey."""
    if not path.is_file():
        raise FileNotFoundError(f"picture must exist, got {path}; get it, or take it out of the spreadsheet")
    try:
        with Image.open(path) as picture:
            is_grey = picture.mode in ("L", "I", "I;16", "1", "F")
            grey = np.asarray(picture if is_grey else picture.convert("L"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{path} must be a picture that can be read, got: {error}; is the file whole?") from error
    return np.ascontiguousarray(grey.T), is_grey
