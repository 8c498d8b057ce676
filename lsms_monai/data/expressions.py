# SPDX-License-Identifier: Apache-2.0
"""Draw expressions for lesions whose attributes are known: each means exactly one set of them, or truly none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.random import Generator

from lsms_monai.data.meaning import ATTENUATIONS, OPPOSITES, RANKS, LesionAttributes, Meaning
from lsms_monai.data.vocabulary import ORGANS
from lsms_monai.data.wording import word

NOTHING_RATES = {0: 1.0, 1: 0.2}  # of expressions without a target, by the number of lesions
NOTHING_RATE = 0.12  # with more lesions
MANY_RATE = 0.15
PLURAL_RATE = 0.5  # of one lesion by its attributes as "all such", the way the predictor asks
NUM_TRIES = 40
# Of the expressions for one lesion.
_FORMS = {"attributes": 0.5, "rank": 0.32, "order": 0.03, "size": 0.07, "negation": 0.04, "near": 0.04}
# How often an attribute that is known is said; the rest is left out, as a short prompt does.
_SAID = {"side": 0.5, "attenuation": 0.5, "depth": 0.15, "capsule": 0.12, "level": 0.15}
_ODD = {("brightest", "hypodense"), ("brightest", "cyst"), ("darkest", "hyperdense"), ("darkest", "cyst")}


@dataclass(frozen=True)
class Expression:
    """Words, and the label values that they mean.

    Args:
        text: the words.
        label_value: values of the lesions that are meant, none for no target.
        meaning: what the words say.
    """

    text: str
    label_value: tuple[int, ...]
    meaning: Meaning


def sample_expressions(
    lesions: Sequence[LesionAttributes],
    generator: Generator,
    num_expressions: int,
    *,
    in_mm: bool = True,
    held_out: bool = False,
) -> list[Expression]:
    """Draw expressions for one image, each of another meaning.

    Most mean one lesion, by side, attenuation, place, rank and few other things; about one in seven means several,
    one in eight none (one in five where there is one lesion only, always where there is none).

    Args:
        lesions: the lesions of the image, or of the slice.
        generator: the only source of randomness.
        num_expressions: how many; fewer come back if the lesions give no more.
        in_mm: whether their diameters are in mm, so that sizes may be said.
        held_out: use synonyms and word orders that are kept for testing; else never.
    """
    drawn: dict[Meaning, Expression] = {}
    for _ in range(num_expressions):
        propose = _kind(len(lesions), generator)
        for _ in range(NUM_TRIES):
            meaning = propose(lesions, generator, in_mm)
            values = None if meaning is None or meaning in drawn else meaning.resolve(lesions)
            if meaning is not None and values is not None and bool(values) == (propose is not _nothing):
                text = word(meaning, len(meaning.candidates(lesions)), generator, held_out=held_out)
                drawn[meaning] = Expression(text, values, meaning)
                break
    return list(drawn.values())


def _kind(num_lesions: int, generator: Generator) -> Callable[..., Meaning | None]:
    """Whether to mean nothing, several or one."""
    nothing = NOTHING_RATES.get(num_lesions, NOTHING_RATE)
    if generator.random() < nothing:
        return _nothing
    return _many if generator.random() < MANY_RATE / (1 - NOTHING_RATE) else _one


def _one(lesions: Sequence[LesionAttributes], generator: Generator, in_mm: bool) -> Meaning | None:
    """Describe one lesion, rightly or not: the caller checks that no other fits."""
    lesion = _pick(lesions, generator)
    forms = [form for form in _FORMS if in_mm or form != "size"]
    rates = [_FORMS[form] for form in forms]
    form = forms[int(generator.choice(len(forms), p=[rate / sum(rates) for rate in rates]))]
    meaning = _described(lesion, generator)
    if form == "attributes":
        is_plural = generator.random() < PLURAL_RATE and len(meaning.candidates(lesions)) == 1
        return None if meaning.is_class_only and len(lesions) > 1 else replace(meaning, plural=is_plural)
    if form == "size":
        return _with_size(meaning, lesion, generator)
    if form == "negation":
        return _negated(lesion, generator)
    if form == "near":
        anchor = Meaning(rank=_pick(RANKS, generator)) if generator.random() < 0.6 else _described(lesion, generator)
        return None if anchor.is_class_only else replace(Meaning(), near=anchor)
    meaning = replace(
        meaning, rank=_pick(RANKS, generator) if generator.random() < 0.35 else _pick(RANKS[:2], generator)
    )
    if (meaning.rank, meaning.attenuation) in _ODD:
        return None
    num_rivals = len(meaning.candidates(lesions))
    if form == "order":
        return (
            replace(meaning, order=2 if num_rivals < 4 else int(generator.integers(2, 4))) if num_rivals > 2 else None
        )
    return meaning if num_rivals > 1 or generator.random() < 0.1 else None


def _many(lesions: Sequence[LesionAttributes], generator: Generator, in_mm: bool) -> Meaning | None:
    """Describe several lesions, or all of them by the name of their class."""
    if generator.random() < 0.25:
        return Meaning(plural=bool(generator.random() < 0.5))
    meaning = replace(_described(_pick(lesions, generator), generator), plural=True)
    num_fitting = len(meaning.candidates(lesions))
    if generator.random() < 0.15:
        return replace(meaning, plural=False, rank=_pick(RANKS[:2], generator), count=2) if num_fitting > 2 else None
    if in_mm and generator.random() < 0.08:
        return _with_size(meaning, _pick(lesions, generator), generator)
    if num_fitting in range(2, 6) and generator.random() < (0.6 if num_fitting == 2 else 0.2):
        return replace(meaning, count=num_fitting)
    return meaning if num_fitting > 1 or generator.random() < 0.2 else None


def _nothing(lesions: Sequence[LesionAttributes], generator: Generator, in_mm: bool) -> Meaning | None:
    """Describe what might be there: a lesion with another side, type, place, size or organ."""
    if generator.random() < 0.15:
        organ = _pick(sorted(ORGANS), generator)
        return Meaning(
            _pick(("right", "left"), generator) if organ in ("kidney", "lung", "adrenal") else None, organ=organ
        )
    meaning = _described(_pick(lesions, generator), generator) if lesions else _imagined(generator)
    change = _pick(("side", "attenuation", "attenuation", "side", "depth", "capsule", "size", "none"), generator)
    if change in OPPOSITES:
        said = getattr(meaning, change) or _pick(OPPOSITES[change], generator)
        opposite: dict[str, Any] = {change: OPPOSITES[change][said == OPPOSITES[change][0]]}
        meaning = replace(meaning, **opposite)
    elif change == "attenuation":
        meaning = replace(meaning, attenuation=_pick(tuple(ATTENUATIONS), generator))
    elif change == "size" and in_mm:
        meaning = replace(meaning, size_mm=float(generator.integers(5, 90)))
    if generator.random() < 0.25:
        meaning = replace(meaning, rank=_pick(RANKS[:2], generator))
    return replace(meaning, plural=meaning.rank is None and bool(generator.random() < PLURAL_RATE))


def _described(lesion: LesionAttributes, generator: Generator) -> Meaning:
    """Some of the attributes of a lesion."""
    said: dict[str, Any] = {}
    for name, rate in _SAID.items():
        if generator.random() < rate:
            said[name] = _pick(_attenuations(lesion), generator) if name == "attenuation" else getattr(lesion, name)
    return Meaning(**said)


def _imagined(generator: Generator) -> Meaning:
    """Attributes of a lesion that does not exist."""
    said = {name: _pick(pair, generator) for name, pair in OPPOSITES.items() if generator.random() < _SAID[name]}
    if generator.random() < 0.6:
        said["attenuation"] = _pick(tuple(ATTENUATIONS), generator)
    return Meaning(**said)


def _attenuations(lesion: LesionAttributes) -> list[str]:
    """What can be said of its kind, the kind itself three times as often."""
    fitting = [name for name, (sure, _) in ATTENUATIONS.items() if lesion.kind in sure]
    return fitting + [name for name in fitting if name == lesion.kind] * 2


def _with_size(meaning: Meaning, lesion: LesionAttributes, generator: Generator) -> Meaning:
    """Its size in whole mm, or a bound that lies clear of it."""
    if generator.random() < 0.6:
        return replace(meaning, size_mm=float(max(1, round(lesion.diameter_mm))))
    bound = _pick(("over", "under"), generator)
    edge = lesion.diameter_mm * (generator.uniform(0.5, 0.83) if bound == "over" else generator.uniform(1.21, 2))
    return replace(meaning, size_mm=float(max(1, round(edge / 5) * 5 or round(edge))), bound=bound)


def _negated(lesion: LesionAttributes, generator: Generator) -> Meaning | None:
    """What one attribute of it is not."""
    name = _pick(("side", "side", "attenuation", "depth", "capsule"), generator)
    if name == "attenuation":
        return Meaning(attenuation=_pick(("cyst", "hypodense", "hyperdense", "calcified"), generator), negated=name)
    there = getattr(lesion, name)
    other = [value for value in OPPOSITES[name] if value != there]
    return Meaning(**{name: other[0], "negated": name}) if there else None


def _pick(options: Sequence[Any], generator: Generator) -> Any:
    return options[int(generator.integers(len(options)))]
