# SPDX-License-Identifier: Apache-2.0
"""Expressions of measured lesions, and whether it is clear which of them an attenuation fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.random import Generator

from lsms_monai.data.attributes import CALCIFIED_HU, ISODENSE, WATER_HU
from lsms_monai.data.expressions import Expression, sample_expressions
from lsms_monai.data.meaning import HU_MARGIN, LesionAttributes, Meaning

# The darker kind, the brighter one, the HU that divide them -> attenuations that need to tell the one from the other.
BORDERS = {
    ("cyst", "hypodense", WATER_HU[1]): ("cyst", "solid", "solid hypodense"),
    ("hyperdense", "calcified", CALCIFIED_HU): ("calcified", "hypervascular", "solid"),
}


def is_clear(meaning: Meaning | None, lesions: Sequence[LesionAttributes]) -> bool:
    """Whether every lesion is clearly of that attenuation or not, as far as it is said."""
    if meaning is None:
        return True
    if meaning.attenuation is not None and any(lesion.kind == ISODENSE for lesion in lesions):
        return False
    for border, attenuations in BORDERS.items():
        if meaning.attenuation in attenuations and any(_is_at(lesion, *border) for lesion in lesions):
            return False
    return is_clear(meaning.near, lesions)


def clear_expressions(
    lesions: Sequence[LesionAttributes], generator: Generator, number: int, *, in_mm: bool, held_out: bool = False
) -> list[Expression]:
    """Draw expressions of measured lesions and leave out those of an attenuation that is not clear.

    Args:
        lesions: attributes of the lesions of one image.
        generator: the only source of randomness.
        number: how many are drawn; fewer remain.
        in_mm: whether sizes may be said.
        held_out: take words that are kept for testing.
    """
    sayable = [replace(lesion, kind="hypodense") if lesion.kind == ISODENSE else lesion for lesion in lesions]
    drawn = sample_expressions(sayable, generator, number, in_mm=in_mm, held_out=held_out)
    return [expression for expression in drawn if is_clear(expression.meaning, lesions)]


def _is_at(lesion: LesionAttributes, darker: str, brighter: str, border_hu: float) -> bool:
    """Whether a lesion could be of the other kind: near the HU between them, or beyond, as a small blurred cyst is."""
    above = {darker: lesion.hu - border_hu, brighter: border_hu - lesion.hu}.get(lesion.kind)
    return above is not None and above > -HU_MARGIN / 2
