# SPDX-License-Identifier: Apache-2.0
"""A table with one row per expression, as the owner of a referring set would have it."""

from __future__ import annotations

import csv
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from lsms_monai.data.description import read_aligned
from lsms_monai.data.draft import SECTIONS, Draft
from lsms_monai.data.public_sets.case import Case, Options
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, PATIENT_ID, SLICE_INDEX, UNKNOWN_VALUE

REQUIRED = (IMAGE, LABEL, EXPRESSION)
OPTIONAL = (SLICE_INDEX, LABEL_VALUE, PATIENT_ID, "study_id", "split")
_SPLITS = {**{name: name for name in SECTIONS}, "train": "training", "val": "validation"}
_NOTHING = ("none", "[]")  # in the column label_value


def csv_cases(place: str | Path) -> list[Case]:
    """Read the table; the rows of one image are one case.

    Args:
        place: the CSV file, or a folder with one CSV file. Columns image, label and expression, and if need be
            slice_index, label_value ("2", "1;3" or "none"; empty for every lesion), patient_id, study_id and split
            (training, validation or test). Paths are relative to the file. Without patient_id each image is a patient.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if columns are missing or unknown, a row has more cells than columns, a split is unknown, or only
            some rows have one.
    """
    path = _table(Path(place))
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        reader = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True, restval="", restkey="")
        columns = [str(name).strip() for name in reader.fieldnames or []]
        missing = [name for name in REQUIRED if name not in columns]
        unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
        if missing or unknown:
            raise ValueError(
                f"{path} must have the columns {list(REQUIRED)} and may have {list(OPTIONAL)}, got {columns}: "
                f"{missing} missing, {unknown} not known"
            )
        reader.fieldnames = columns
        rows = []
        for row in reader:
            if any(row.get("", ())):
                raise ValueError(
                    f"{path}, line {reader.line_num}: a row must have {len(columns)} cells, got more; put quotes "
                    f'around a text that holds "{delimiter}"'
                )
            rows.append((reader.line_num, {key: (row[key] or "").strip() for key in columns}))
    groups: dict[tuple[str, str, str], list[tuple[int, dict[str, str]]]] = {}
    for line, row in rows:
        split = _split(path, line, row)
        groups.setdefault((row[IMAGE], row.get(PATIENT_ID) or row[IMAGE], split), []).append((line, row))
    splits = {split for *_, split in groups}
    if "" in splits and len(splits) > 1:
        line = next(line for line, row in rows if not row["split"])
        raise ValueError(f"{path} must give a split in every row or in none, got none in line {line}")
    return [
        Case(f"{image} (line {group[0][0]})", patient, partial(_make, path, group), split or None)
        for (image, patient, split), group in groups.items()
    ]


def _table(place: Path) -> Path:
    tables = [place] if place.is_file() else sorted(place.glob("[!.]*.csv"))
    if len(tables) != 1:
        found = [path.name for path in tables]
        raise FileNotFoundError(f"{place} must be a CSV file or a folder with one, got {found}; name the file")
    return tables[0]


def _split(path: Path, line: int, row: dict[str, str]) -> str:
    split = row.get("split", "").lower()
    if split and split not in _SPLITS:
        raise ValueError(f'{path}, line {line}: split must be one of {list(_SPLITS)}, got "{split}"')
    return _SPLITS.get(split, "")


def _make(
    path: Path, rows: list[tuple[int, dict[str, str]]], draft: Draft, generator: Generator, options: Options
) -> list[dict[str, Any]]:
    entries = []
    read: dict[str, np.ndarray] = {}
    for line, row in rows:
        try:
            image, label = path.parent / row[IMAGE], path.parent / row[LABEL]
            if row[LABEL] not in read:
                read[row[LABEL]] = read_aligned(image, label)[1][0]
            entry = _entry(row, read[row[LABEL]])
        except (ValueError, OSError) as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
        entries.append({IMAGE: draft.path_of(image), LABEL: draft.path_of(label), **entry})
    return entries


def _entry(row: dict[str, str], labels: np.ndarray) -> dict[str, Any]:
    """What a row says beside its files, checked against the label map in LPS order."""
    if not row[EXPRESSION]:
        raise ValueError("expression must not be empty; name the lesion in words")
    entry: dict[str, Any] = {EXPRESSION: row[EXPRESSION]}
    if row.get("study_id"):
        entry["study_id"] = row["study_id"]
    if row.get(SLICE_INDEX):
        if not row[SLICE_INDEX].isdecimal() or int(row[SLICE_INDEX]) >= labels.shape[2]:
            raise ValueError(f'slice_index must lie in 0..{labels.shape[2] - 1}, got "{row[SLICE_INDEX]}"')
        entry[SLICE_INDEX] = int(row[SLICE_INDEX])
        labels = labels[:, :, entry[SLICE_INDEX]]
    if row.get(LABEL_VALUE):
        entry[LABEL_VALUE] = _values(row[LABEL_VALUE])
        present = sorted(set(np.unique(labels).tolist()) - {0, UNKNOWN_VALUE})
        missing = [value for value in entry[LABEL_VALUE] if value not in present]
        if missing:
            raise ValueError(f"label_value must be in the label, got {missing}; it holds {present}")
    return entry


def _values(text: str) -> list[int]:
    """Label values of a cell such as "2", "1;3", "[1, 3]" or "none"."""
    if text.lower() in _NOTHING:
        return []
    parts = re.split(r"[;,\s]+", text.strip("[] "))
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f'label_value must be whole numbers above 0, such as 2 or 1;3, or "none", got "{text}"')
    return [int(part) for part in parts]
