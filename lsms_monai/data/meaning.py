# SPDX-License-Identifier: Apache-2.0
"""What an expression can say of lesions whose attributes are known, and which of them it then means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

SIZE_MARGIN = 1.5  # a lesion is the larger one only if its diameter is this many times the next
HU_MARGIN = 15.0  # and the darker one only by this much

SIDES = ("right", "left")
ATTENUATIONS = ("hypodense", "hyperdense", "cyst")
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


@dataclass(frozen=True)
class Meaning:
    """What an expression says; None says nothing about that attribute.

    Args:
        side: one of `SIDES`.
        attenuation: one of `ATTENUATIONS`; a cyst is hypodense too.
        rank: one of `RANKS`, among the lesions of that side and attenuation.
        plural: whether all such lesions are meant, not one.
    """

    side: str | None = None
    attenuation: str | None = None
    rank: str | None = None
    plural: bool = False

    def candidates(self, lesions: Sequence[LesionAttributes]) -> list[LesionAttributes]:
        """Lesions of the side and attenuation, whatever their rank."""
        return [lesion for lesion in lesions if self._fits(lesion)]

    def resolve(self, lesions: Sequence[LesionAttributes]) -> tuple[int, ...] | None:
        """Find the label values that are meant.

        Returns:
            Values, empty if no lesion fits; None where the expression would be a coin toss or odd to say.
        """
        fitting = self.candidates(lesions)
        if not fitting:
            return ()
        if self.plural:
            return tuple(lesion.value for lesion in fitting) if len(fitting) > 1 and self.rank is None else None
        if self.rank is None:
            return (fitting[0].value,) if len(fitting) == 1 else None
        return self._first(fitting) if len(fitting) > 1 else None

    def _fits(self, lesion: LesionAttributes) -> bool:
        kinds = {None: None, "hypodense": ("hypodense", "cyst")}.get(self.attenuation, (self.attenuation,))
        return self.side in (None, lesion.side) and (kinds is None or lesion.kind in kinds)

    def _first(self, fitting: list[LesionAttributes]) -> tuple[int, ...] | None:
        """The first lesion by rank, if it leads by the margin."""
        by_size = self.rank in ("largest", "smallest")
        downward = self.rank in ("largest", "brightest")
        ranked = sorted(fitting, key=lambda x: x.diameter_mm if by_size else x.hu, reverse=downward)
        first, second = ranked[:2]
        if by_size:
            sizes = sorted((first.diameter_mm, second.diameter_mm))
            clear = sizes[1] >= SIZE_MARGIN * sizes[0]
        else:
            clear = abs(first.hu - second.hu) >= HU_MARGIN
        return (first.value,) if clear else None


def every_meaning() -> list[Meaning]:
    """All that this grammar can say."""
    odd = {("hypodense", "brightest"), ("hyperdense", "darkest"), ("cyst", "brightest"), ("cyst", "darkest")}
    kinds = [pair for pair in product((None, *ATTENUATIONS), (None, *RANKS)) if pair not in odd]
    one = [Meaning(side, *pair) for side, pair in product((None, *SIDES), kinds)]
    many = [Meaning(side, kind, None, True) for side, kind in product((None, *SIDES), (None, *ATTENUATIONS))]
    return one + many
