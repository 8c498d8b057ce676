# SPDX-License-Identifier: Apache-2.0
"""Datalists in the form of the Medical Segmentation Decathlon, with an expression in every entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lsms_monai.data.phantom import RECIPE, VOLUME_SHAPE, write_phantoms
from lsms_monai.data.reader import find_images
from lsms_monai.data.rewording import reword
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, ORGAN, PATIENT_ID, SLICE_INDEX

Entry = dict[str, Any]


def load_datalist(
    path: str | Path,
    section: str = "training",
    *,
    required: Sequence[str] = (IMAGE, LABEL, EXPRESSION),
    base_dir: str | Path | None = None,
    must_exist: bool = True,
) -> list[Entry]:
    """Read and check one section of a JSON datalist.

    Args:
        path: JSON file with lists of entries, such as "training", "validation" and "test".
        section: the list to return.
        required: keys that every entry must have.
        base_dir: folder to which paths of images and labels are relative; the datalist's own if None.
        must_exist: whether a file that is not there is an error.

    Returns:
        Entries with absolute paths; `label_value` is a list of int where it is given.

    Raises:
        FileNotFoundError: if there is no such datalist.
        ValueError: if the file is no datalist, a patient stands in two sections, or an entry is wrong; the message
            names section, entry (counted from 0) and key.
    """
    path = Path(path)
    sections = read_sections(path)
    if section not in sections:
        raise ValueError(f'{path} must have a section "{section}", got {list(sections)}; name one of these')
    if not sections[section]:
        raise ValueError(f'{path}, section "{section}" must hold at least one entry, got none')
    folder = Path(base_dir or path.parent).absolute()
    entries = []
    for number, entry in enumerate(sections[section]):
        try:
            entries.append(checked_entry(entry, folder, required, must_exist=must_exist))
        except ValueError as error:
            raise ValueError(f'{path}, section "{section}", entry {number}: {error}') from None
    return entries


def training_data(
    dataset_dir: str | Path | None,
    section: str,
    datalist: str | Path | None = None,
    *,
    expression: str = "liver lesion",
    phantom_dir: str | Path = "runs/phantom",
    num_phantoms: int = 1500,
    wording: str = "matched",
    seed: int = 0,
) -> list[Entry]:
    """Give the labelled entries of one section of a person's data set, or of phantoms made for the purpose.

    Args:
        dataset_dir: folder of the data; None for phantoms, unless there is a datalist.
        section: "training", "validation", "test" or any other list of the datalist.
        datalist: JSON file, `dataset_dir/datalist.json` if None; paths in it are relative to `dataset_dir` if that is
            given, to the datalist's folder if not.
        expression: the words for entries without their own.
        phantom_dir: where the phantoms are kept; made once, whole or not at all.
        num_phantoms: how many phantoms.
        wording: "matched", "shuffled", "empty" or "contradicted", see `reword`.
        seed: of the phantoms and of the shuffling.

    Raises:
        FileNotFoundError: if there is no datalist.
        ValueError: if an entry is wrong, or `phantom_dir` holds phantoms of other number or seed.
    """
    if dataset_dir is None and datalist is None:
        path = _phantom_datalist(Path(phantom_dir), num_phantoms, seed)
    else:
        path = Path(datalist) if datalist is not None else Path(str(dataset_dir)) / "datalist.json"
    entries = load_datalist(path, section, required=(IMAGE, LABEL), base_dir=dataset_dir)
    return reword([{EXPRESSION: expression, **entry} for entry in entries], wording, seed)


def inference_data(
    dataset_dir: str | Path | None,
    datalist: str | Path | None = None,
    expression: str = "liver lesion",
    *,
    section: str = "test",
    phantom_dir: str | Path = "runs/phantom_volume",
) -> list[Entry]:
    """Give images with the expression to look for in each.

    Args:
        dataset_dir: an image, or a folder with a `datalist.json`, images or DICOM series; None for one phantom volume,
            unless there is a datalist.
        datalist: JSON file; labels are not needed, and entries without an expression get `expression`.
        expression: the words for images without their own.
        section: list of the datalist.
        phantom_dir: where the phantom volume is kept.

    Raises:
        FileNotFoundError: if there is no datalist, no such folder, or no image in it.
        ValueError: if an entry of the datalist is wrong.
    """
    if datalist is None and dataset_dir is not None and (Path(dataset_dir) / "datalist.json").is_file():
        datalist = Path(dataset_dir) / "datalist.json"
    if datalist is not None:
        entries = load_datalist(datalist, section, required=(IMAGE,), base_dir=dataset_dir)
        return [{EXPRESSION: expression, **entry} for entry in entries]
    if dataset_dir is not None:
        return [{IMAGE: str(image), EXPRESSION: expression} for image in find_images(dataset_dir)]
    path = Path(phantom_dir) / "datalist.json"
    if not path.is_file():
        write_phantoms(phantom_dir, num_patients=1, split=(0, 0, 1), shape=VOLUME_SHAPE, num_lesions=3)
    return [{IMAGE: load_datalist(path, "test")[0][IMAGE], EXPRESSION: expression}]


def _phantom_datalist(folder: Path, num_phantoms: int, seed: int) -> Path:
    """Datalist of the phantoms in a folder, made now if there are none."""
    path = folder / "datalist.json"
    if not path.is_file():
        try:
            write_phantoms(folder, num_patients=num_phantoms, seed=seed)
        except OSError:
            if not path.is_file():  # another process may have been faster
                raise
    wanted = {"num_patients": num_phantoms, "seed": seed, "recipe": RECIPE}
    found = json.loads(path.read_text()).get("phantom")
    if found != wanted:
        raise ValueError(
            f"{folder} must hold phantoms made with {wanted}, got {found}; remove it or choose another folder"
        )
    return path


def read_sections(path: Path) -> dict[str, list]:
    """Read every list of a datalist, by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON object, or a patient stands in two sections.
    """
    if not path.is_file():
        raise FileNotFoundError(f"datalist must be an existing JSON file, got {path}; check the path")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be a JSON file, got an error in it: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must be a JSON object with lists of entries, got a {type(content).__name__}")
    sections = {name: value for name, value in content.items() if isinstance(value, list)}
    _check_patients(path, sections)
    return sections


def _check_patients(path: Path, sections: dict[str, list]) -> None:
    """Refuse a patient in two sections: the splits would leak."""
    seen: dict[str, tuple[str, int]] = {}
    for section, entries in sections.items():
        for number, entry in enumerate(entries):
            patient = str(entry[PATIENT_ID]) if isinstance(entry, dict) and PATIENT_ID in entry else None
            if patient is None:
                continue
            first, first_number = seen.setdefault(patient, (section, number))
            if first != section:
                raise ValueError(
                    f'{path}: {PATIENT_ID} "{patient}" must stand in one section, got "{first}" (entry {first_number}) '
                    f'and "{section}" (entry {number}); keep all images of a patient together'
                )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_PATHS = (IMAGE, LABEL, ORGAN)
_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(_PATHS, ("a path", lambda value: isinstance(value, str) and bool(value))),
    EXPRESSION: ("a text that is not empty", lambda value: isinstance(value, str) and bool(value.strip())),
    SLICE_INDEX: ("an int of 0 or more", lambda value: _is_int(value) and value >= 0),
    PATIENT_ID: ("a text or an int", lambda value: isinstance(value, str) or _is_int(value)),
    LABEL_VALUE: (
        "an int of 1 or more, or a list of them",
        lambda value: all(_is_int(v) and v > 0 for v in (value if isinstance(value, list) else [value])),
    ),
    "study_id": ("a text or an int", lambda value: isinstance(value, str) or _is_int(value)),
}


def checked_entry(entry: object, folder: Path, required: Sequence[str], *, must_exist: bool = True) -> Entry:
    """Check one entry by itself.

    Args:
        entry: what the list holds.
        folder: to which its paths are relative.
        required: keys that it must have.
        must_exist: whether a file that is not there is an error.

    Returns:
        The entry with absolute paths.

    Raises:
        ValueError: that begins with the key at fault.
    """
    if isinstance(entry, str) and list(required) == [IMAGE]:  # the Decathlon lists test images so
        entry = {IMAGE: entry}
    if not isinstance(entry, dict):
        raise ValueError(f"must be an object with {list(required)}, got {entry!r}")
    for key, value in entry.items():
        if key not in _CHECKS:
            raise ValueError(f'key "{key}" is not known; use {list(_CHECKS)}')
        requirement, is_right = _CHECKS[key]
        if not is_right(value):
            raise ValueError(f'"{key}" must be {requirement}, got {value!r}')
    for key in required:
        if key not in entry:
            raise ValueError(f'"{key}" is required, got only {list(entry)}')
    checked = dict(entry)
    for key in _PATHS:
        if key in entry:
            checked[key] = str(folder / entry[key])
            if must_exist and not Path(checked[key]).exists():
                raise ValueError(f'"{key}" must exist, got {checked[key]}; paths are relative to {folder}')
    if PATIENT_ID in checked:
        checked[PATIENT_ID] = str(checked[PATIENT_ID])
    if _is_int(checked.get(LABEL_VALUE)):
        checked[LABEL_VALUE] = [checked[LABEL_VALUE]]
    return checked
