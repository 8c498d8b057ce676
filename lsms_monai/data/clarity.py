# SPDX-License-Identifier: Apache-2.0
"""Expressions of measured lesions, and whether it is clear which of them an attenuation fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.random import Generator

from lsms_monai.data.attributes import ISODENSE, WATER_HU
from lsms_monai.data.expressions import Expression, sample_expressions
from lsms_monai.data.meaning import HU_MARGIN, LesionAttributes, Meaning


def is_clear(meaning: Meaning | None, lesions: Sequence[LesionAttributes]) -> bool:
    """Whether every lesion is clearly of that attenuation or not, as far as it is said."""
    if meaning is None:
        return True
    if meaning.attenuation is not None and any(lesion.kind == ISODENSE for lesion in lesions):
        return False
    if meaning.attenuation in ("cyst", "solid", "solid hypodense") and any(map(_is_near_water, lesions)):
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


def _is_near_water(lesion: LesionAttributes) -> bool:
    """Whether a cyst or a dark lesion could be the other."""
    return lesion.kind in ("cyst", "hypodense") and abs(lesion.hu - WATER_HU[1]) < HU_MARGIN / 2
