# SPDX-License-Identifier: Apache-2.0
"""Radiologists' words for lesions whose attributes are known: each expression means exactly one set of lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from numpy.random import Generator

from lsms_monai.data.meaning import LesionAttributes, Meaning, every_meaning

_T = TypeVar("_T")

_NOUNS = (("lesion", "lesions"), ("mass", "masses"), ("nodule", "nodules"), ("focus", "foci"), ("spot", "spots"))
_ADJECTIVES = {
    "hypodense": (
        "hypodense", "hypoattenuating", "low-density", "low-attenuation", "dark", "low attenuation", "hypo-dense",
    ),
    "hyperdense": (
        "hyperdense", "hyperattenuating", "high-density", "high-attenuation", "bright", "enhancing", "hyperenhancing",
    ),
    "cyst": ("cystic", "fluid-density", "water-density", "fluid-attenuation", "fluid-filled"),
}  # fmt: skip
_QUALITIES = {
    "hypodense": ("with low attenuation", "of low density", "darker than the liver"),
    "hyperdense": ("with high attenuation", "of high density", "brighter than the liver", "with enhancement"),
    "cyst": ("of fluid density", "with fluid attenuation", "of water density"),
}
_OWN_NOUNS = {
    "hypodense": ("hypodensity", "hypodensities"),
    "hyperdense": ("hyperdensity", "hyperdensities"),
    "cyst": ("cyst", "cysts"),
}
_SUPERLATIVES = {
    "largest": ("largest", "biggest", "dominant"),
    "smallest": ("smallest", "tiniest"),
    "darkest": ("darkest", "least dense", "lowest-density", "most hypodense"),
    "brightest": ("brightest", "densest", "highest-density", "most hyperdense"),
}
_COMPARATIVES = {
    "largest": ("larger", "bigger"),
    "smallest": ("smaller",),
    "darkest": ("darker", "less dense"),
    "brightest": ("brighter", "denser"),
}
_PLACES = (
    "in the {side} lobe", "in the {side} hepatic lobe", "in the {side} lobe of the liver", "of the {side} lobe",
    "within the {side} hepatic lobe", "in the {side} liver lobe", "in the {side} liver", "on the {side}",
    "in {side} lobe", "on the {side} side of the liver", ", {side} lobe", "found in the {side} lobe",
)  # fmt: skip
_PLACE_ADJECTIVES = ("{side} lobe", "{side} hepatic lobe", "{side}-sided", "{side} hepatic", "{side} liver")
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
_VERBS = ("segment", "outline", "show", "find", "mark")


@dataclass(frozen=True)
class Expression:
    """Words, and the label values that they mean."""

    text: str
    label_value: tuple[int, ...]
    meaning: Meaning


def sample_expressions(
    lesions: Sequence[LesionAttributes], generator: Generator, num_expressions: int
) -> list[Expression]:
    """Draw expressions for one image, each of another meaning as long as there are enough.

    About one in ten means nothing on this image (more where a single lesion would make reading needless, always where
    there is no lesion); a fifth means several lesions, the rest one.

    Args:
        lesions: the lesions of the image.
        generator: the only source of randomness.
        num_expressions: how many.
    """
    groups: dict[str, list[tuple[Meaning, tuple[int, ...]]]] = {"none": [], "one": [], "many": []}
    for meaning in every_meaning():
        values = meaning.resolve(lesions)
        if values is not None:
            groups["none" if not values else "one" if len(values) == 1 else "many"].append((meaning, values))
    nothing = {0: 1.0, 1: 0.15}.get(len(lesions), 0.04)
    weights = {"none": nothing, "one": 0.8 * (1 - nothing), "many": 0.2 * (1 - nothing)}
    drawn = []
    for _ in range(num_expressions):
        names = [name for name, group in groups.items() if group and weights[name] > 0]
        if not names:
            break
        total = sum(weights[name] for name in names)
        name = names[generator.choice(len(names), p=[weights[name] / total for name in names])]
        group = groups[name]
        meaning, values = group.pop(int(generator.integers(len(group))))
        text = word(meaning, len(meaning.candidates(lesions)), generator)
        drawn.append(Expression(text, values, meaning))
    return drawn


def word(meaning: Meaning, num_candidates: int, generator: Generator) -> str:
    """Say a meaning in English.

    Args:
        meaning: what to say.
        num_candidates: how many lesions fit its side and attenuation, for "both", "larger" against "largest".
        generator: chooses among synonyms and word orders.
    """
    count = num_candidates or int(generator.integers(2, 4))
    if meaning.plural:
        text = _plural(meaning, count, generator)
    elif meaning.rank is not None:
        text = _ranked(meaning, count, generator)
    else:
        before, after = _around(meaning, generator)
        text = _article(generator) + _join(before, _noun(meaning, 0, generator), after)
    text = text.replace(" ,", ",")
    if generator.random() < 0.06:
        text = f"{_pick(_VERBS, generator)} {text}"
    if generator.random() < 0.3:
        text = text[0].upper() + text[1:]
    return text + "." if generator.random() < 0.1 else text


def _plural(meaning: Meaning, count: int, generator: Generator) -> str:
    before, after = _around(meaning, generator)
    if generator.random() < 0.25:
        lead = _pick(("every", "each"), generator)
        return _join(lead, before, _noun(meaning, 0, generator), after)
    leads = ["all", "all the", "all of the"]
    if count == 2:
        leads = ["both", "both", "the two"]
    elif count in _NUMBERS:
        leads += [f"the {_NUMBERS[count]}", f"all {_NUMBERS[count]}"]
    return _join(_pick(leads, generator), before, _noun(meaning, 1, generator), after)


def _ranked(meaning: Meaning, count: int, generator: Generator) -> str:
    before, after = _around(meaning, generator)
    words = _SUPERLATIVES[str(meaning.rank)]
    if count == 2 and generator.random() < 0.7:
        words = _COMPARATIVES[str(meaning.rank)]
    rank = _pick(words, generator)
    if rank != "dominant" and count in _NUMBERS and generator.random() < 0.2:
        return _article(generator) + _join(rank, "of the", _NUMBERS[count], before, _noun(meaning, 1, generator), after)
    return _article(generator) + _join(rank, before, _noun(meaning, 0, generator), after)


def _around(meaning: Meaning, generator: Generator) -> tuple[str, str]:
    """Words for the side: before the noun or after it, or only the organ."""
    if meaning.side is None:
        organ = _pick(("", "", "", "liver", "hepatic"), generator)
        return (organ, "") if organ or generator.random() < 0.8 else ("", "in the liver")
    if generator.random() < 0.3:
        return _pick(_PLACE_ADJECTIVES, generator).format(side=meaning.side), ""
    return "", _pick(_PLACES, generator).format(side=meaning.side)


def _noun(meaning: Meaning, number: int, generator: Generator) -> str:
    """Noun with its attenuation, singular (0) or plural (1)."""
    noun = _pick(_NOUNS, generator)[number]
    if meaning.attenuation is None:
        return noun if generator.random() < 0.6 else _NOUNS[0][number]
    if generator.random() < (0.6 if meaning.attenuation == "cyst" else 0.2):
        return _OWN_NOUNS[meaning.attenuation][number]
    if generator.random() < 0.12:
        return f"{noun} {_pick(_QUALITIES[meaning.attenuation], generator)}"
    return f"{_pick(_ADJECTIVES[meaning.attenuation], generator)} {noun}"


def _article(generator: Generator) -> str:
    return "the " if generator.random() < 0.6 else ""


def _pick(words: Sequence[_T], generator: Generator) -> _T:
    return words[int(generator.integers(len(words)))]


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)
