# SPDX-License-Identifier: Apache-2.0
"""The data set of the shipped weights: phantoms, synthetic lesions in real livers, and real slices without a liver."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.random import Generator

from lsms_monai.data.canonical import canonical
from lsms_monai.data.clarity import clear_expressions
from lsms_monai.data.draft import whole_or_nothing
from lsms_monai.data.outlines import read_outlines
from lsms_monai.data.training_cases import (
    REAL,
    SLICE_MM,
    SPLIT,
    VOLUME,
    WITHOUT_LIVER,
    Case,
    cases_without_liver,
    liver_cases,
    negative_cases,
    phantom_cases,
    volume_cases,
)
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, ORGAN, PATIENT_ID, UNKNOWN_VALUE

SPACING_MM = 2.0  # of what is written
# Expressions of an image: in the plain words that the network is asked with, and in the many words of people. A test
# asks in the words of people alone.
NUM_PLAIN, NUM_SAID = 3, 1
NUM_TIMES = 4  # so many times as often a training asks about the few real lesions and the few slices of whole CTs
# A training hears so many times what means a small lesion, or nothing where one lies: those are what a network misses.
SMALL_MM, SMALL_TIMES = 12.0, 3


def write_training_set(
    out_dir: str | Path,
    *,
    num_phantoms: int,
    num_volumes: int = 0,
    livers_dir: str | Path | None = None,
    copies: int = 3,
    outlines: str | Path | None = None,
    negatives_dir: str | Path | None = None,
    without_liver: Sequence[tuple[str | Path, int, int]] = (),
    spacing: float = SPACING_MM,
    seed: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> Path:
    """Write slices, label maps and expressions of all sources, whole or not at all.

    Patients of each source are split into training, validation and test. Test images are asked for in the words of
    people, half of them in words that are kept for testing.

    Args:
        out_dir: new or empty folder.
        num_phantoms: number of phantoms that are one slice.
        num_volumes: number of phantoms that are a volume, of which some slices are taken, for training alone.
        livers_dir: folder with `ID_img.png` and `ID_lab.png`, ID the patient, then "_": real livers; left out if None.
        copies: syntheses of each real slice; of each slice for validation, one at most.
        outlines: file of the lesions that people have seen in these slices (see `read_outlines`). A slice that they
            have looked at is taken as it is, too, source `REAL`; where they saw nothing, nothing is. Without the file
            it is unknown whether a dark or bright part of a liver is a lesion.
        negatives_dir: folder with `NAME.npz`, `img` int16 HU (z, y, x) and `spacing`: real slices without a liver; left
            out if None.
        without_liver: CTs, files or DICOM folders, with the first and the last of some slices that hold no liver,
            counted from 0 at the feet; for training alone.
        spacing: size of a pixel of what is written, in mm.
        seed: base of all randomness.
        progress: called with the number of cases written so far.

    Returns:
        Path of the datalist.

    Raises:
        FileExistsError: if `out_dir` holds anything.
        FileNotFoundError: if a folder holds no such files.
        ValueError: if `spacing` is not positive.
    """
    if spacing <= 0:
        raise ValueError(f"spacing must be a positive number of mm, got {spacing}; take {SPACING_MM}")
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SPLIT}
    seen = read_outlines(outlines) if outlines else {}
    number = 0
    with whole_or_nothing(Path(out_dir)) as folder:
        for cases in (
            phantom_cases(num_phantoms, spacing, seed),
            volume_cases(num_volumes, spacing, seed),
            liver_cases(livers_dir, copies, spacing, seed, seen) if livers_dir else (),
            negative_cases(negatives_dir, spacing, seed) if negatives_dir else (),
            cases_without_liver(without_liver, spacing, seed),
        ):
            for section, case, generator in cases:
                _write(folder, case)
                sections[section] += _entries(
                    case, generator, section=section, held_out=section == "test" and number % 2 == 0
                )
                number += 1
                if progress:
                    progress(number)
        (folder / "datalist.json").write_text(json.dumps({"name": "LSMS training set", **sections}, indent=1) + "\n")
    return Path(out_dir) / "datalist.json"


def _write(folder: Path, case: Case) -> None:
    maps = {"images": (case.image, np.int16), "labels": (case.labels, np.uint8), "organs": (case.liver, np.uint8)}
    for part, (array, dtype) in maps.items():
        affine = np.diag((-case.spacing, -case.spacing, SLICE_MM, 1.0))
        nibabel.save(
            nibabel.Nifti1Image(np.rint(array)[..., None].astype(dtype), affine), folder / part / f"{case.name}.nii.gz"
        )


def _entries(case: Case, generator: Generator, *, section: str, held_out: bool) -> list[dict[str, Any]]:
    """Expressions in many words, and those that the network is asked with when words are resolved over volumes."""
    seen = set(np.unique(case.labels).tolist())
    lesions = [lesion for lesion in case.lesions if lesion.value in seen]
    plainly = lesions or case.source != "phantom"  # one expression is enough for a phantom without a lesion
    num_plain, num_said = (0, NUM_PLAIN + NUM_SAID) if section == "test" else (NUM_PLAIN, NUM_SAID)
    if section == "training" and (case.source == WITHOUT_LIVER or (case.source == REAL and lesions)):
        num_plain, num_said = NUM_TIMES * num_plain, NUM_TIMES * num_said
    if case.source == VOLUME:  # a rank or a size is said of the volume, which this slice does not show
        num_said = 0
    drawn = clear_expressions(lesions, generator, 2 * num_said, in_mm=case.in_mm, held_out=held_out)
    said = {expression.text: expression.label_value for expression in drawn[:num_said]}
    plain: dict[str, tuple[int, ...]] = {}
    for expression in clear_expressions(lesions, generator, 4 * num_plain, in_mm=case.in_mm) if plainly else ():
        part = expression.meaning.slice_part()
        values = part.resolve(lesions)
        if values is not None and part.organ is None and len(plain) < num_plain:
            plain[canonical(part)] = values
    about = {
        IMAGE: f"images/{case.name}.nii.gz",
        LABEL: f"labels/{case.name}.nii.gz",
        ORGAN: f"organs/{case.name}.nii.gz",
        PATIENT_ID: case.patient,
        "study_id": case.source,
    }
    small = _small_lesions(case) if section == "training" and case.source != VOLUME else set()
    return [
        {**about, EXPRESSION: text, LABEL_VALUE: list(values)}
        for text, values in {**plain, **said}.items()
        for _ in range(SMALL_TIMES if small and small.issuperset(values) else 1)
    ]


def _small_lesions(case: Case) -> set[int]:
    areas = np.bincount(case.labels.ravel(), minlength=UNKNOWN_VALUE + 1) * case.spacing**2
    diameters = 2 * np.sqrt(areas / np.pi)
    return {lesion.value for lesion in case.lesions if 0 < diameters[lesion.value] < SMALL_MM}
