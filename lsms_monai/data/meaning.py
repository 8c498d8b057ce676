# SPDX-License-Identifier: Apache-2.0
"""What an expression can say of lesions whose attributes are known, and which of them it then means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

SIZE_MARGIN = 1.5  # a lesion is the larger one only if its diameter is this many times the next
HU_MARGIN = 15.0  # and the darker one only by this much
NEAR_MARGIN = 1.25  # the nearest one only if the next is this many times as far
SAME_SIZE = 1.2  # sizes within this factor are what an expression in mm says

OPPOSITES = {
    "side": ("right", "left"),
    "depth": ("anterior", "posterior"),
    "capsule": ("subcapsular", "central"),
    "level": ("upper", "lower"),
}
# What is said -> kinds of lesion that it fits, kinds of which nobody can tell.
ATTENUATIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hypodense": (("hypodense", "cyst", "rim"), ()),
    "cyst": (("cyst",), ()),
    "hyperdense": (("hyperdense", "calcified"), ()),
    "hypervascular": (("hyperdense",), ("rim",)),
    "rim": (("rim",), ()),
    "calcified": (("calcified",), ()),
    "solid": (("hypodense", "hyperdense", "rim"), ("calcified",)),
    "solid hypodense": (("hypodense", "rim"), ()),
}
RANKS = ("largest", "smallest", "darkest", "brightest")


@dataclass(frozen=True)
class LesionAttributes:
    """What can be said about one lesion; None where nobody can tell or where it lies too near a border.

    Args:
        value: its value in the label map.
        side: hepatic lobe, "right" or "left" of the patient.
        kind: "cyst" (water), "hypodense" (solid, darker than the liver), "hyperdense" (brighter), "rim" (dark core,
            bright rim) or "calcified" (above some 200 HU).
        hu: mean attenuation of its core in HU.
        diameter_mm: diameter of the circle with the area of its largest axial section; in pixels if their size is
            not known.
        centroid_mm: centre in RAS mm.
        depth: "anterior" or "posterior" part of the liver.
        capsule: "subcapsular" or "central".
        level: "upper" (under the dome) or "lower" part of the liver; volumes only.
        longest_mm: longest distance inside an axial section, as a ruler measures it; `diameter_mm` if None.
    """

    value: int
    side: str | None
    kind: str
    hu: float
    diameter_mm: float
    centroid_mm: tuple[float, float, float]
    depth: str | None = None
    capsule: str | None = None
    level: str | None = None
    longest_mm: float | None = None

    @property
    def diameters_mm(self) -> tuple[float, float]:
        """What people call its size: what both say alike is clear."""
        return self.diameter_mm, self.diameter_mm if self.longest_mm is None else self.longest_mm


@dataclass(frozen=True)
class Meaning:
    """What an expression says; None says nothing about that attribute, and nothing at all means every lesion.

    Args:
        side: "right" or "left" hepatic lobe.
        attenuation: one of `ATTENUATIONS`; a cyst is hypodense too, a calcification hyperdense, a named tumour solid.
        rank: one of `RANKS`, among the lesions that fit all else.
        plural: whether all such lesions are meant, not one.
        depth: "anterior" or "posterior".
        capsule: "subcapsular" or "central".
        level: "upper" or "lower".
        count: how many there are ("both"), or how many of the rank ("the two largest"); 0 denies that there are any.
        order: place in the rank, 2 for the second largest.
        size_mm: diameter in mm.
        bound: "over" or "under" that size; about that size if None.
        negated: the one of side, attenuation, depth, capsule and level that the lesion is not.
        near: the lesion is the one nearest to the one that this means.
        organ: another organ than the liver; no lesion of the liver is there.
    """

    side: str | None = None
    attenuation: str | None = None
    rank: str | None = None
    plural: bool = False
    depth: str | None = None
    capsule: str | None = None
    level: str | None = None
    count: int | None = None
    order: int = 1
    size_mm: float | None = None
    bound: str | None = None
    negated: str | None = None
    near: Meaning | None = None
    organ: str | None = None

    @property
    def needs_volume(self) -> bool:
        """Whether something is left to resolve over components after `slice_part`."""
        left = (self.rank, self.count, self.size_mm, self.near, self.level)
        return any(said is not None for said in left) or self.negated == "attenuation"

    @property
    def is_class_only(self) -> bool:
        """Whether it names lesions and says nothing else, so that it means them all."""
        return replace(self, plural=False) == Meaning()

    def slice_part(self) -> Meaning:
        """What one slice can tell: side, attenuation, depth, capsule and organ, of all such lesions."""
        said = {name: getattr(self, name) for name in ("side", "attenuation", "depth", "capsule")}
        if self.negated in said:
            pair = OPPOSITES.get(self.negated, (None, None))
            said[self.negated] = pair[said[self.negated] == pair[0]]
        return Meaning(**said, plural=True, organ=self.organ)

    def candidates(self, lesions: Sequence[LesionAttributes]) -> list[LesionAttributes]:
        """Lesions that fit all but rank, count and neighbour; those of which nobody can tell are left out."""
        return [lesion for lesion in lesions if self.organ is None and self._fits(lesion)]

    def resolve(self, lesions: Sequence[LesionAttributes]) -> tuple[int, ...] | None:
        """Find the label values that are meant.

        Returns:
            Values, empty if no lesion fits; None where the expression would be a coin toss or counts wrongly.
        """
        if self.organ is not None or self.count == 0:
            return ()
        if any(self._fits(lesion) is None for lesion in lesions):
            return None
        fitting = self.candidates(lesions)
        if self.near is not None:
            return self._nearest(fitting, lesions)
        if not fitting:
            return ()
        if self.rank is not None:
            return self._ranked(fitting)
        if self.count is not None:
            return _values(fitting) if len(fitting) == self.count else None
        return _values(fitting) if self.plural or self.is_class_only or len(fitting) == 1 else None

    def _fits(self, lesion: LesionAttributes) -> bool | None:
        """Whether a lesion fits; None if nobody can tell."""
        truths: dict[str, bool | None] = {}
        for name in OPPOSITES:
            said, there = getattr(self, name), getattr(lesion, name)
            if said is not None:
                truths[name] = None if there is None else said == there
        if self.attenuation is not None:
            sure, unsure = ATTENUATIONS[self.attenuation]
            truths["attenuation"] = None if lesion.kind in unsure else lesion.kind in sure
        if self.size_mm is not None:
            answers = {_fits_size(diameter, self.size_mm, self.bound) for diameter in lesion.diameters_mm}
            truths["size"] = answers.pop() if len(answers) == 1 else None
        if self.negated is not None and truths[self.negated] is not None:
            truths[self.negated] = not truths[self.negated]
        if False in truths.values():
            return False
        return None if None in truths.values() else True

    def _ranked(self, fitting: list[LesionAttributes]) -> tuple[int, ...] | None:
        """The lesions at these places of the rank, if the margin sets them apart from the rest."""
        start, stop = self.order - 1, self.order - 1 + (self.count or 1)
        if len(fitting) < stop:
            return None
        by_size = self.rank in ("largest", "smallest")
        downward = self.rank in ("largest", "brightest")
        ranked = sorted(fitting, key=lambda x: x.diameter_mm if by_size else x.hu, reverse=downward)
        borders = [*product(ranked[:start], ranked[start:stop]), *product(ranked[start:stop], ranked[stop:])]
        return _values(ranked[start:stop]) if all(_apart(*pair, by_size, downward) for pair in borders) else None

    def _nearest(self, fitting: list[LesionAttributes], lesions: Sequence[LesionAttributes]) -> tuple[int, ...] | None:
        """The fitting lesion nearest to the neighbour, if it leads by the margin."""
        there = self.near.resolve(lesions) if self.near else None
        if there is None or len(there) > 1:
            return None
        others = [lesion for lesion in fitting if lesion.value not in there]
        if not there or not others:
            return ()
        centre = next(lesion.centroid_mm for lesion in lesions if lesion.value in there)
        far, nearest = zip(*sorted((math.dist(x.centroid_mm, centre), x.value) for x in others), strict=True)
        return nearest[:1] if len(far) == 1 or far[1] >= NEAR_MARGIN * far[0] else None


def _values(lesions: Sequence[LesionAttributes]) -> tuple[int, ...]:
    return tuple(sorted(lesion.value for lesion in lesions))


def _apart(first: LesionAttributes, second: LesionAttributes, by_size: bool, downward: bool) -> bool:
    """Whether two lesions in the order of a rank differ by the margin."""
    high, low = (first, second) if downward else (second, first)
    if by_size:
        return all(
            large >= SIZE_MARGIN * small for large, small in zip(high.diameters_mm, low.diameters_mm, strict=True)
        )
    return high.hu - low.hu >= HU_MARGIN


def _fits_size(diameter_mm: float, size_mm: float, bound: str | None) -> bool | None:
    """Whether a diameter is what an expression says; None between the margins."""
    ratio = diameter_mm / size_mm
    if bound is None:
        ratio = max(ratio, 1 / ratio)
        return True if ratio <= SAME_SIZE else False if ratio >= SIZE_MARGIN else None
    ratio = ratio if bound == "over" else 1 / ratio
    return True if ratio >= SAME_SIZE else False if ratio <= 1 / SAME_SIZE else None
