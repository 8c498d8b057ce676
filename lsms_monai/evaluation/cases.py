# SPDX-License-Identifier: Apache-2.0
"""The images of a datalist with all that is asked about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lsms_monai.data.description import read_aligned
from lsms_monai.data.label_map import WRITE_AS_1, check_lesions_known
from lsms_monai.keys import IMAGE, LABEL, LABEL_VALUE, SLICE_INDEX, UNKNOWN_VALUE

Entry = dict[str, Any]
Group = list[tuple[int, Entry]]  # entries about one image, each with its number in the section


@dataclass(frozen=True, eq=False)
class Case:
    """One image, or one slice of a volume, and the entries about it.

    Args:
        name: file of the image, with "#" and the slice where it is one of a volume.
        image: HU, (W, H, D) in LPS order.
        affine: 4x4, voxel -> RAS mm.
        label: int32 (W, H, D), each lesion by its value, 0 where there is none or nobody knows.
        known: bool (W, H, D), False where the label map says that nobody knows.
        entries: of the datalist, each with its number.
    """

    name: str
    image: np.ndarray
    affine: np.ndarray
    label: np.ndarray
    known: np.ndarray
    entries: Group

    @cached_property
    def values(self) -> list[int]:
        """Values of the lesions in the label."""
        return [int(value) for value in np.unique(self.label) if value > 0]

    @property
    def spacing_mm(self) -> list[float]:
        """Size of a voxel along each axis."""
        return np.linalg.norm(self.affine[:3, :3], axis=0).tolist()

    def entry(self, number: int) -> Entry:
        """Entry of this number in the section."""
        return dict(self.entries)[number]

    def meant(self, number: int) -> list[int]:
        """Values that the expression of an entry means; every lesion where the entry does not say.

        Raises:
            ValueError: if one of them is not in the label.
        """
        wanted = self.entry(number).get(LABEL_VALUE)
        missing = sorted(set(wanted or []) - set(self.values))
        if missing:
            raise ValueError(
                f"entry {number} ({self.name}): label_value must be in the label, got {missing}; it holds {self.values}"
            )
        return self.values if wanted is None else list(wanted)

    def truth(self, number: int) -> np.ndarray:
        """Voxels (W, H, D) that the expression of an entry means."""
        return np.isin(self.label, self.meant(number))


def group_entries(entries: Sequence[Entry], limit: int | None = None, seed: int = 0) -> list[Group]:
    """Bring the entries about one image, or one slice of it, together.

    Args:
        entries: a section of a datalist.
        limit: take only so many images, drawn at random, in the order of the datalist.
        seed: of the drawing.
    """
    groups: dict[tuple[Any, ...], Group] = {}
    for number, entry in enumerate(entries):
        groups.setdefault((entry[IMAGE], entry[LABEL], entry.get(SLICE_INDEX)), []).append((number, entry))
    result = list(groups.values())
    if limit is None or limit >= len(result):
        return result
    return [result[i] for i in sorted(np.random.default_rng(seed).permutation(len(result))[:limit])]


def load_case(group: Group) -> Case:
    """Read image and label of one group.

    Raises:
        ValueError: if a file cannot be used, the label does not fit the image or does not say what is a lesion, the
            slice does not exist, or a meant value is not in the label; the message begins with the number of the entry.
    """
    number, entry = group[0]
    try:
        image, (label,), affine = read_aligned(entry[IMAGE], entry[LABEL])
        if not np.isfinite(image).any():
            raise ValueError("image must have finite intensities, got none; the file holds no CT")
        if any(LABEL_VALUE not in each for _, each in group):
            check_lesions_known(entry[LABEL], label, WRITE_AS_1)
        name, index = Path(entry[IMAGE]).name, entry.get(SLICE_INDEX)
        if index is not None:
            if not 0 <= index < image.shape[2]:
                raise ValueError(f"slice_index must lie in 0..{image.shape[2] - 1}, got {index}")
            name = f"{name}#{index}"
            image, label = image[:, :, index : index + 1], label[:, :, index : index + 1]
            affine = affine @ np.block([[np.eye(3), np.array([[0], [0], [index]])], [np.zeros(3), 1]])
        known = label != UNKNOWN_VALUE
        case = Case(name, image, affine, np.where(known, label, 0).astype(np.int32), known, group)
    except (ValueError, OSError, RuntimeError) as error:
        raise ValueError(f"entry {number} ({entry[IMAGE]}): {error}") from error
    for number, _ in group:
        case.meant(number)
    return case
