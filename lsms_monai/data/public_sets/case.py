# SPDX-License-Identifier: Apache-2.0
"""From the cases of a data set to a datalist: splits by patient, nothing corrupt in it, whole or not at all."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from lsms_monai.data.description import describe
from lsms_monai.data.draft import SECTIONS, Draft, draft_datalist
from lsms_monai.keys import IMAGE, LABEL, PATIENT_ID

_NUM_SHOWN = 5  # problems that a message lists


@dataclass(frozen=True)
class Options:
    """What expressions are made for sets that have none.

    Args:
        num_expressions: of each volume or slice.
        slices: whether each axial slice is described by itself.
    """

    num_expressions: int = 3
    slices: bool = False


Make = Callable[[Draft, Generator, Options], list[dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """One image of a data set, read when its turn comes.

    Args:
        name: of no other case; it names the files written for it.
        patient_id: the unit of the split.
        make: reads the files and gives entries of the datalist; raises ValueError or OSError where they are corrupt.
        section: where the set itself puts it; None if it leaves that to us.
    """

    name: str
    patient_id: str
    make: Make
    section: str | None = None


@dataclass
class Result:
    """What was written.

    Args:
        path: of the datalist.
        num_entries: of each section.
        skipped: one message for each case left out.
        resplit: sections that shared patients and were split anew.
    """

    path: Path
    num_entries: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    resplit: list[str] = field(default_factory=list)


def write_datalist(
    cases: Sequence[Case],
    out: str | Path,
    *,
    options: Options = Options(),
    split: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    skip_corrupt: bool = False,
    resplit: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Read every case and write the datalist.

    Args:
        cases: of one data set, from one of the readers beside this module.
        out: path of the JSON file; label maps that have to be written go into `<name>_files` beside it.
        options: what expressions are made where the set has none.
        split: rates of training, validation and test for sets that have no split.
        seed: of the split and the expressions.
        skip_corrupt: leave out cases that cannot be read, and report them; else they are an error.
        resplit: split sections that share a patient anew, by patient; else they are an error.
        overwrite: replace an earlier datalist.
        progress: called with the number of cases done and of all.

    Raises:
        FileExistsError: if there is such a datalist.
        ValueError: if a case cannot be read, a patient stands in two sections, or the rates are not three that sum
            to 1; nothing is written then.
    """
    if len(split) != 3 or min(split) < 0 or not np.isclose(sum(split), 1):
        raise ValueError(f"split must be three rates that sum to 1, got {tuple(split)}")
    result = Result(Path(out))
    sections = _sections(cases, split, seed, resplit, result)
    made: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    problems = []
    with draft_datalist(result.path, overwrite=overwrite) as draft:
        for number, case in enumerate(cases):
            generator = np.random.default_rng((seed, zlib.crc32(case.name.encode())))
            try:
                entries = case.make(draft, generator, options)
                made[sections[case.name]] += [{**entry, PATIENT_ID: case.patient_id} for entry in entries]
            except (ValueError, OSError) as error:
                problems.append(f"{case.name}: {error}")
            if progress is not None:
                progress(number + 1, len(cases))
        if problems and not skip_corrupt:
            raise ValueError(
                f"{len(cases)} cases must be readable, got {len(problems)} that are not; repair them, or leave them "
                f"out with --skip-corrupt: {_listed(problems)}"
            )
        if not any(made.values()):
            raise ValueError(f"at least one case must be readable, got none of {len(cases)}: {_listed(problems)}")
        draft.sections = made
    result.skipped = problems
    result.num_entries = {name: len(entries) for name, entries in made.items()}
    return result


def described_entries(
    draft: Draft,
    image: Path,
    label: str,
    scan: tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray],
    generator: Generator,
    options: Options,
) -> list[dict[str, Any]]:
    """Entries of an image whose expressions come from its lesions.

    Args:
        draft: the datalist in the making.
        image: file or DICOM folder.
        label: path of the instance map for the datalist.
        scan: HU, instance map, organ and affine, in LPS order.
        generator: the only source of randomness.
        options: how many expressions, of volumes or slices.
    """
    hu, labels, organ, affine = scan
    described = describe(
        hu,
        labels,
        affine,
        organ,
        generator,
        num_expressions=options.num_expressions,
        slices=options.slices,
    )
    return [{IMAGE: draft.path_of(image), LABEL: label, **entry} for entry in described]


def _listed(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _NUM_SHOWN} more" if len(problems) > _NUM_SHOWN else ""
    return "; ".join(problems[:_NUM_SHOWN]) + more


def _sections(
    cases: Sequence[Case], split: Sequence[float], seed: int, resplit: bool, result: Result
) -> dict[str, str]:
    """Section of each case: the set's own, or by patient."""
    if not cases:
        raise ValueError("a data set must hold at least one case, got none")
    repeated = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if repeated:
        raise ValueError(f"each image must stand in a data set once, got twice: {_listed(repeated)}")
    if any(case.section is None for case in cases):
        return _split(cases, dict(zip(SECTIONS, split, strict=True)), seed)
    own = {case.name: str(case.section) for case in cases}
    leaking = _leaking_patients(cases)
    if not leaking:
        return own
    if not resplit:
        patient, (first, second) = next(iter(leaking.items()))
        raise ValueError(
            f'each patient must stand in one section, got {len(leaking)} in two or more, such as "{patient}" in '
            f"{first.section} ({first.name}) and {second.section} ({second.name}); with --resplit the sections that "
            "share patients are split anew"
        )
    shared = {case.section for pair in leaking.values() for case in pair}
    result.resplit = [name for name in SECTIONS if name in shared]
    pool = [case for case in cases if case.section in shared]
    counts = Counter(str(case.section) for case in pool)
    return own | _split(pool, {name: counts[name] / len(pool) for name in result.resplit}, seed)


def _leaking_patients(cases: Sequence[Case]) -> dict[str, tuple[Case, Case]]:
    """Patients in two sections, with a case in each."""
    by_patient: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_patient[case.patient_id].append(case)
    leaking = {}
    for patient, group in by_patient.items():
        other = next((case for case in group if case.section != group[0].section), None)
        if other is not None:
            leaking[patient] = (group[0], other)
    return leaking


def _split(cases: Sequence[Case], rates: dict[str, float], seed: int) -> dict[str, str]:
    """Give each patient to the section that lacks most of its share; with enough patients none stays empty."""
    by_patient: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_patient[case.patient_id].append(case)
    wanted = {name: rate * len(cases) for name, rate in rates.items() if rate > 0}
    filled = dict.fromkeys(wanted, 0)
    sections: dict[str, str] = {}
    patients = sorted(by_patient)
    for index in np.random.default_rng(seed).permutation(len(patients)):
        group = by_patient[patients[index]]
        section = min(wanted, key=lambda name: filled[name] / wanted[name])
        filled[section] += len(group)
        sections |= {case.name: section for case in group}
    return sections
