# SPDX-License-Identifier: Apache-2.0
"""Hold a datalist against its label maps: does each entry mean what it says?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lsms_monai.data.attributes import describe_lesions
from lsms_monai.data.clarity import is_clear
from lsms_monai.data.datalist import checked_entry, read_sections
from lsms_monai.data.description import is_picture, read_aligned
from lsms_monai.data.label_map import WRITE_AS_1, check_lesions_known
from lsms_monai.data.meaning import LesionAttributes, Meaning
from lsms_monai.data.parsing import parse
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, ORGAN, SLICE_INDEX, UNKNOWN_VALUE

SHADES = ("cyst", "rim", "solid", "solid hypodense")  # of dark lesions


@dataclass
class Check:
    """What was found in a datalist.

    Args:
        problems: one message for each wrong entry, with section and number.
        num_entries: how many were looked at.
        num_not_understood: expressions that no rule of the grammar reads; they are not judged.
        num_undecided: expressions of which the image does not tell whether they fit; they are not judged.
    """

    problems: list[str] = field(default_factory=list)
    num_entries: int = 0
    num_not_understood: int = 0
    num_undecided: int = 0


def check_datalist(path: str | Path) -> Check:
    """Check every entry of a datalist, its files included.

    Args:
        path: JSON file; paths in it are relative to its folder.

    Returns:
        All problems: files that cannot be read, values that the label does not hold, and expressions that match no
        lesion, other lesions or more lesions than `label_value` says.

    Raises:
        FileNotFoundError: if there is no datalist.
        ValueError: if the file is no datalist, or a patient stands in two sections.
    """
    path = Path(path)
    check = Check()
    worlds: dict[str, _World] = {}
    for place, entry in _entries(path):
        check.num_entries += 1
        try:
            checked = checked_entry(entry, path.parent.absolute(), (IMAGE, LABEL, EXPRESSION))
            files = [checked[key] for key in (IMAGE, LABEL, ORGAN) if key in checked]
            key = "\n".join(files)
            if key not in worlds:
                worlds = {key: _World(*files)}  # one at a time: volumes are large
            _check_entry(checked, worlds[key], check)
        except (ValueError, OSError) as error:
            check.problems.append(f"{place}: {error}")
    return check


class _World:
    """One image and its lesions, as a volume and as slices."""

    def __init__(self, image: str, label: str, organ: str | None = None) -> None:
        self.image, (self.labels, *others), self.affine = read_aligned(image, label, *([organ] if organ else []))
        self.organ = others[0] if others else None
        self.in_mm = not is_picture(image)
        self._lesions: dict[int | None, list[LesionAttributes]] = {}

    def part(self, index: int | None) -> tuple[slice, ...]:
        """The volume, or one slice of it."""
        depth = self.labels.shape[2]
        if index is not None and index >= depth:
            raise ValueError(f"slice_index must lie in 0..{depth - 1}, got {index}")
        return (slice(None), slice(None), slice(None) if index is None else slice(index, index + 1))

    def values(self, index: int | None) -> list[int]:
        """Values of the lesions there."""
        return sorted(set(np.unique(self.labels[self.part(index)]).tolist()) - {0, UNKNOWN_VALUE})

    def lesions(self, index: int | None) -> list[LesionAttributes]:
        """Attributes of the lesions there."""
        if index not in self._lesions:
            part = self.part(index)
            organ = None if self.organ is None else self.organ[part]
            self._lesions[index] = describe_lesions(
                self.image[part], self.labels[part], self.affine, organ, in_mm=self.in_mm
            )
        return self._lesions[index]


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    for section, entries in read_sections(path).items():
        for number, entry in enumerate(entries):
            yield f'section "{section}", entry {number}', entry


def _check_entry(entry: dict[str, Any], world: _World, check: Check) -> None:
    """Raise ValueError if an entry does not mean what it says."""
    index = entry.get(SLICE_INDEX)
    present = world.values(index)
    if LABEL_VALUE not in entry:
        check_lesions_known("label", world.labels, WRITE_AS_1)
    said = sorted(entry.get(LABEL_VALUE, present))
    missing = [value for value in said if value not in present]
    if missing:
        where = "the label" if index is None else f"slice {index} of the label"
        raise ValueError(f"label_value must be in {where}, got {missing}; it holds {present}")
    meaning = parse(entry[EXPRESSION])
    if meaning is None:
        check.num_not_understood += 1
        return
    lesions = world.lesions(index)
    if [lesion.value for lesion in lesions] != present or not is_clear(meaning, lesions):
        check.num_undecided += 1
        return
    meant = _meant(meaning, lesions)
    if meant is None or (meant != said and _is_shade(meaning, lesions, said)):
        check.num_undecided += 1
    elif meant != said:
        verb = "matches nothing" if not meant else f"matches {meant}"
        raise ValueError(f'expression "{entry[EXPRESSION]}" {verb}, label_value says {said}; correct one of them')


def _is_shade(meaning: Meaning, lesions: Sequence[LesionAttributes], said: Sequence[int]) -> bool:
    """Whether an entry is right if cysts, rims and solid dark lesions are not told apart, which is for a person."""
    if meaning.attenuation not in SHADES:
        return False
    return set(said) <= set(_meant(replace(meaning, attenuation="hypodense"), lesions) or ())


def _meant(meaning: Meaning, lesions: Sequence[LesionAttributes]) -> list[int] | None:
    """Lesions that the words fit, all of them where they should fit one; None if nobody can tell."""
    values = meaning.resolve(lesions)
    if values is not None:
        return sorted(values)
    chooses = (meaning.rank, meaning.count, meaning.near)
    fitting = [lesion.value for lesion in meaning.candidates(lesions)]
    return sorted(fitting) if len(fitting) > 1 and not any(chooses) else None
