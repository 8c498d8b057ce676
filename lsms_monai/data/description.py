# SPDX-License-Identifier: Apache-2.0
"""Expressions for a CT with a lesion mask: what is measured becomes words that mean exactly one set of lesions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from lsms_monai.data.attributes import describe_lesions, instance_map
from lsms_monai.data.clarity import clear_expressions
from lsms_monai.data.draft import draft_datalist
from lsms_monai.data.geometry import check_same_place, to_lps
from lsms_monai.data.label_map import check_lesions_known, whole_numbers
from lsms_monai.data.meaning import LesionAttributes
from lsms_monai.data.reader import PICTURE_SUFFIXES, CTReader
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, PATIENT_ID, SLICE_INDEX, UNKNOWN_VALUE

SMALLEST_SECTION = 4.0  # diameter in mm (pixels of a picture): a slice with a smaller section of a lesion is left out
EMPTY_SLICE_RATE = 0.25  # slices without a lesion for each slice with one


def read_aligned(image: str | Path, *maps: str | Path) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Read a CT and maps on its voxels.

    Args:
        image: file or DICOM folder.
        maps: label maps and masks of the same geometry, in any orientation.

    Returns:
        HU (W, H, D), the maps as integers, and the affine (4, 4) of all, in LPS order.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file cannot be read, or a map does not lie where the image lies or holds no whole numbers.
    """
    reader = CTReader()
    loaded = []
    for path in (image, *maps):
        array, meta = reader.get_data([Path(path)])
        loaded.append((*to_lps(array, meta["affine"]), path))
    (hu, affine, _), *others = loaded
    for array, other, path in others:
        check_same_place(str(path), other, array.shape, affine, hu.shape)
    return hu, [whole_numbers(str(path), array) for array, _, path in others], affine


def is_picture(path: str | Path) -> bool:
    """Whether a file is a picture, which does not know the size of its pixels."""
    return Path(path).name.lower().endswith(PICTURE_SUFFIXES)


def describe_files(
    image: str | Path,
    label: str | Path,
    out: str | Path,
    *,
    organ: str | Path | None = None,
    lesion_value: int | None = None,
    num_expressions: int = 6,
    slices: bool = False,
    seed: int = 0,
    section: str = "training",
    patient_id: str | None = None,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Write a datalist of expressions for one CT and its lesion mask.

    Args:
        image: file or DICOM folder.
        label: label map, one value per lesion or 1 in all; a map of single lesions is written if need be.
        out: path of the datalist.
        organ: mask of the organ.
        lesion_value: the value of the lesions where the label holds the organ too.
        num_expressions: of the volume, or of each slice.
        slices: speak of each axial slice by itself.
        seed: of the expressions.
        section: list of the datalist.
        patient_id: name of the patient; that of the image with its folder if None, as in "p1/ct".
        overwrite: replace an earlier datalist.

    Returns:
        The entries.

    Raises:
        FileExistsError: if there is such a datalist.
        FileNotFoundError: if a file is missing.
        ValueError: if files do not fit each other, or the label holds an organ or no `lesion_value`.
    """
    image, label = Path(image), Path(label)
    hu, (given, *others), affine = read_aligned(image, label, *([] if organ is None else [organ]))
    marked, mask = _lesions_and_organ(given, lesion_value, label)
    labels = instance_map(marked, np.linalg.norm(affine[:3, :3], axis=0))
    if others:
        mask = others[0] > 0
    generator = np.random.default_rng(seed)
    with draft_datalist(Path(out), overwrite=overwrite) as draft:
        entries = describe(
            hu,
            labels,
            affine,
            mask,
            generator,
            num_expressions=num_expressions,
            slices=slices,
            in_mm=not is_picture(image),
        )
        place = Path(os.path.abspath(image))  # noqa: PTH100 - "." and ".." have no name, and a link keeps its own
        name = place.name if image.is_dir() else place.name.removesuffix(".gz").rsplit(".", 1)[0]
        is_same = np.array_equal(labels, given)
        written = draft.path_of(label) if is_same else draft.write_map(f"{name}_lesions", labels, affine)
        files = {IMAGE: draft.path_of(image), LABEL: written}
        files[PATIENT_ID] = patient_id or f"{place.parent.name}/{name}"
        draft.sections[section] = [{**files, **entry} for entry in entries]
    return draft.sections[section]


def describe(
    image: np.ndarray,
    labels: np.ndarray,
    affine: np.ndarray,
    organ: np.ndarray | None,
    generator: Generator,
    *,
    num_expressions: int = 3,
    slices: bool = False,
    in_mm: bool = True,
) -> list[dict[str, Any]]:
    """Write expressions for the lesions of one image.

    Args:
        image: HU (W, H, D) in LPS order.
        labels: instance map.
        affine: (4, 4), voxel to RAS mm.
        organ: mask of the organ, None if not known.
        generator: the only source of randomness.
        num_expressions: of the volume, or of each slice.
        slices: speak of each axial slice by itself, as training needs it, not of the volume. Slices on which a lesion
            is cut into pieces or hardly seen are left out; some slices without a lesion are among the rest.
        in_mm: whether the affine knows the size of a voxel.

    Returns:
        Entries of a datalist with expression, label_value and slice_index, still without paths.
    """
    if not slices:
        lesions = describe_lesions(image, labels, affine, organ, in_mm=in_mm)
        return _entries(lesions, generator, num_expressions, in_mm)
    entries = []
    for index in _choose_slices(labels, organ, affine, generator):
        cut = slice(index, index + 1)
        moved = affine.copy()
        moved[:3, 3] += affine[:3, 2] * index
        part = None if organ is None else organ[:, :, cut]
        lesions = describe_lesions(image[:, :, cut], labels[:, :, cut], moved, part, in_mm=in_mm)
        number = num_expressions if lesions else 1
        entries += [{**entry, SLICE_INDEX: index} for entry in _entries(lesions, generator, number, in_mm)]
    return entries


def _entries(
    lesions: Sequence[LesionAttributes], generator: Generator, number: int, in_mm: bool
) -> list[dict[str, Any]]:
    clear = clear_expressions(lesions, generator, 2 * number, in_mm=in_mm)
    return [{EXPRESSION: made.text, LABEL_VALUE: list(made.label_value)} for made in clear[:number]]


def _choose_slices(labels: np.ndarray, organ: np.ndarray | None, affine: np.ndarray, generator: Generator) -> list[int]:
    """Slices whose lesions are all clearly seen, and some of the organ (or any) without a lesion."""
    lesion = labels > 0
    with_lesion = lesion.any(axis=(0, 1))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    smallest = np.pi / 4 * SMALLEST_SECTION**2 / (spacing[0] * spacing[1])
    clear = [int(index) for index in np.flatnonzero(with_lesion) if _is_seen(labels[:, :, index], smallest)]
    inside = np.ones_like(with_lesion) if organ is None else organ.any(axis=(0, 1))
    empty = np.flatnonzero(inside & ~with_lesion)
    number = min(len(empty), int(np.ceil(EMPTY_SLICE_RATE * max(len(clear), 4))))
    return sorted([*clear, *generator.choice(empty, number, replace=False).tolist()])


def _is_seen(section: np.ndarray, smallest: float) -> bool:
    """Whether each lesion of a slice is one piece of enough pixels."""
    for value in np.unique(section[(section > 0) & (section != UNKNOWN_VALUE)]):
        _, pieces = ndimage.label(section == value, np.ones((3, 3)))
        if pieces > 1 or np.count_nonzero(section == value) < smallest:
            return False
    return True


def _lesions_and_organ(given: np.ndarray, lesion_value: int | None, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Label map of the lesions alone, and mask of the organ if the map given holds it too."""
    values = set(np.unique(given).tolist()) - {0}
    if lesion_value is not None:
        if lesion_value not in values:
            raise ValueError(f"{path} must hold the lesion value {lesion_value}, got {sorted(values)[:10]}")
        lesions = (given == lesion_value).astype(np.uint8)
        if lesion_value != UNKNOWN_VALUE:
            lesions[given == UNKNOWN_VALUE] = UNKNOWN_VALUE
        has_organ = bool(values - {lesion_value, UNKNOWN_VALUE})
        return lesions, (given > 0) & (given != UNKNOWN_VALUE) if has_organ else None
    check_lesions_known(str(path), given, f"say so with --lesion-value {UNKNOWN_VALUE}")
    value = _surrounding(given)
    if value is not None:
        raise ValueError(
            f"{path} must hold lesions alone, but {value} lies around the others as an organ does; "
            "say which value the lesions have with --lesion-value"
        )
    return given, None


def _surrounding(labels: np.ndarray) -> int | None:
    """Value that encloses most of what the others border on."""
    values, counts = np.unique(labels[(labels > 0) & (labels != UNKNOWN_VALUE)], return_counts=True)
    if len(values) < 2:
        return None
    largest = int(values[counts.argmax()])
    others = (labels > 0) & (labels != largest) & (labels != UNKNOWN_VALUE)
    box = tuple(slice(max(a.start - 1, 0), a.stop + 1) for a in ndimage.find_objects(others.astype(np.uint8))[0])
    border = ndimage.binary_dilation(others[box]) & ~others[box]
    return largest if (labels[box][border] == largest).mean() > 0.5 else None
