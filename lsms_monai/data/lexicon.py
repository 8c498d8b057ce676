# SPDX-License-Identifier: Apache-2.0
"""Every phrase that is understood, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import lsms_monai.data.vocabulary as say
from lsms_monai.data.meaning import OPPOSITES
from lsms_monai.data.normalization import normalize

Concept = tuple[str, Any]  # ("side", "right"), ("noun", is_plural), ("not", None) ...
_ARTICLES = frozenset(("a", "an", "the"))


def words_of(text: str) -> list[str]:
    """The words of a normalised text, without articles."""
    return [word for word in text.split() if word not in _ARTICLES]


@lru_cache(maxsize=1)
def lexicon() -> dict[tuple[str, ...], list[Concept]]:
    """What each phrase says, by its words without articles; words that go without saying have no concept."""
    phrases: dict[tuple[str, ...], list[Concept]] = {}

    def add(texts: Iterable[str], *concepts: Concept) -> None:
        for text in texts:
            words = words_of(normalize(text.split("{")[0]))
            # "of low density" may stand where "of" tells one among several
            phrases[tuple(words)] = [("of", None), *concepts] if words[0] == "of" and concepts else list(concepts)

    add(say.FILLERS.all + say.VERBS.all)
    for name, texts in say.CONTEXT.items():
        add(texts.all, (name, None))
    add(say.BOTH_LOBES.all, ("liver", None), ("bilobar", None))
    add(("among",), ("of", None))
    phrases["of",] = [("of", None)]
    for table in (say.SIDES, say.EXTRA_WORDS, say.PHRASES, say.ADJECTIVES):
        for value, texts in table.items():
            add(texts.all, (_field(value), value))
    for nouns in (say.EXTRA_NOUNS, say.NOUNS):
        for kind, texts in nouns.items():
            named = [("attenuation", kind)] if kind else []
            for is_plural in (False, True):
                add((noun.split("/")[is_plural] for noun in texts.all), ("noun", is_plural), *named)
    for ranks in (say.COMPARATIVES, say.SUPERLATIVES):
        for rank, texts in ranks.items():
            add(texts.all, ("rank", rank))
    for order, texts in say.ORDERS.items():
        add(texts.all, ("order", order))
    for organ, texts in say.ORGANS.items():
        add([*texts.all, *(f"{name}s" for name in texts.all)], ("organ", organ))
    for bound, contrary in (("over", "under"), ("under", "over")):
        said = [text for text in say.BOUNDS[bound].all + say.EXTRA_BOUNDS[bound].all if text[0].isalpha()]
        add(said, ("bound", bound))
        add((f"{no} {text}" for no in ("no", "not") for text in said), ("bound", contrary))
    add(("up to",), ("bound", "under"), ("up to", None))
    _add_counts(add)
    _add_sides(add)
    return phrases


@lru_cache(maxsize=1)
def longest_phrase() -> int:
    """How many words the longest phrase has."""
    return max(map(len, lexicon()))


def _add_counts(add: Callable[..., None]) -> None:
    """Words that count, deny and relate."""
    add(say.ALL.all + say.MANY.all, ("all", None))
    add(say.ONLY.all, ("only", None))
    add((*say.NONE.all, "no evidence of any"), ("none", None))
    add(say.NEAR.all + say.EXTRA_NEAR.all, ("near", None))
    add(("not", "but not", "outside", "without", "without any"), ("not", None))
    add(say.BOTH.all, ("number", 2))
    add(("of both", "of the pair of", "of the pair"), ("total", 2))
    add(("of all",), ("of", None))
    for number, words in say.NUMBERS.items():
        add(words.all, ("number", number))
        add((f"{word} of" for word in words.all), ("refused", None))
        add((f"of {word}" for word in words.all), ("total", number))
        add((f"top {word}" for word in words.all), ("refused", None))
    add(say.REFUSED.all, ("refused", None))


def _add_sides(add: Callable[..., None]) -> None:
    """Sides of the liver, but neither of a neighbour nor "right" for "just"."""
    for side in say.SIDES:
        for lead in ("", "on ", "in ", "at ", "patient "):
            add((f"{lead}{side}", f"{lead}{side} of liver", f"{lead}{side} of patient"), ("side", side))
            add((f"{lead}{side} of",), ("refused", None))
    add((f"right {text}" for text in say.NEAR.all + say.EXTRA_NEAR.all), ("just", None), ("near", None))


def _field(value: str) -> str:
    """The attribute that a value belongs to."""
    return next((name for name, pair in OPPOSITES.items() if value in pair), "attenuation")
