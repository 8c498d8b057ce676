# SPDX-License-Identifier: Apache-2.0
"""Say the contrary, the mirror image or the same in other words: does the model listen?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

import lsms_monai.data.vocabulary as say
from lsms_monai.data.meaning import OPPOSITES
from lsms_monai.data.normalization import normalize
from lsms_monai.data.parsing import parse
from lsms_monai.data.wording import word
from lsms_monai.keys import EXPRESSION

WORDINGS = ("matched", "shuffled", "empty", "contradicted")

# A word of the first becomes a word of the second.
_CONTRARIES = {
    **{a: b for pair in OPPOSITES.values() for a, b in (pair, pair[::-1])},
    "largest": "smallest", "smallest": "largest", "darkest": "brightest", "brightest": "darkest",
    "hypodense": "hyperdense", "hyperdense": "hypodense", "hypervascular": "hypodense", "solid hypodense": "hyperdense",
    "cyst": "hyperdense", "solid": "cyst", "rim": "hyperdense", "calcified": "hypodense",
}  # fmt: skip
_PAIRS = [("low", "high"), ("lowest", "highest")]
_RANKED = "|".join(re.escape(word) for words in say.SUPERLATIVES.values() for word in words.all)
_ORDERS = "|".join(word for words in say.ORDERS.values() for word in words.all)
_ORDINAL = rf"(?:{_ORDERS})[ -](?:{_RANKED})"  # of three, the second largest is the second smallest


def _contrary_words() -> dict[str, str]:
    """Each word that has an opposite, and the one at the same place among the words for it."""
    found = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
    for table in (
        say.SIDES,
        say.EXTRA_WORDS,
        say.PHRASES,
        say.COMPARATIVES,
        say.SUPERLATIVES,
        say.NOUNS,
        say.ADJECTIVES,
    ):
        for name, words in table.items():
            if name in _CONTRARIES and name in table and _CONTRARIES[name] in table:
                others = table[_CONTRARIES[name]].known
                for place, word in enumerate(words.all):
                    found.update(zip(word.lower().split("/"), others[place % len(others)].split("/"), strict=True))
    return found


_CONTRARY = _contrary_words()
_WORDS = re.compile(
    rf"\b(?:({_ORDINAL})|(hypo|hyper)([-a-z]+)|("
    + "|".join(re.escape(word) for word in sorted(_CONTRARY, key=len, reverse=True))
    + r"))\b",
    re.IGNORECASE,
)
_SIDES = {"right": "left", "left": "right", "rt": "lt", "lt": "rt", "rhl": "lhl", "lhl": "rhl"}
_SIDE_WORDS = re.compile(r"\b(right|left|(?:rt|lt|rhl|lhl)\b)(?=ward|most|sided|\b)", re.IGNORECASE)


def reword(entries: Sequence[dict[str, Any]], wording: str, seed: int = 0) -> list[dict[str, Any]]:
    """Give the same entries with other expressions.

    Args:
        entries: with an expression each; left as they are.
        wording: "matched" keeps the words; "shuffled" exchanges them so that no entry keeps its own; "empty" takes them
            away; "contradicted" turns right into left, largest into smallest, hypodense into hyperdense and so on, and
            leaves out entries whose words have no opposite ("all lesions").
        seed: of the shuffling.

    Raises:
        ValueError: if the wording is unknown, more than half of the entries share one expression ("shuffled"), or no
            expression can be contradicted.
    """
    if wording not in WORDINGS:
        raise ValueError(f'wording must be one of {WORDINGS}, got "{wording}"')
    texts = [entry[EXPRESSION] for entry in entries]
    if wording == "shuffled":
        texts = _shuffled(texts, seed)
    elif wording == "empty":
        texts = [""] * len(texts)
    elif wording == "contradicted":
        texts = [contradict(text) for text in texts]
    reworded = [{**entry, EXPRESSION: text} for entry, text in zip(entries, texts, strict=True)]
    if wording == "contradicted":
        reworded = [new for new, old in zip(reworded, entries, strict=True) if new[EXPRESSION] != old[EXPRESSION]]
        if not reworded:
            raise ValueError(f"at least one expression must have an opposite, got {sorted(set(texts))[:5]}")
    return reworded


def contradict(text: str) -> str:
    """Turn every attribute that has an opposite into it; ordinals ("the second largest") stay.

    Example:
        >>> contradict("The larger hypodense lesion in the right lobe")
        'The smaller hyperdense lesion in the left lobe'
    """

    def opposite(match: re.Match[str]) -> str:
        ordinal, prefix, rest, _ = match.groups()
        if prefix:
            return _like(prefix, "hyper" if prefix.lower() == "hypo" else "hypo") + rest
        return match.group() if ordinal else _like(match.group(), _CONTRARY[match.group().lower()])

    return _WORDS.sub(opposite, text)


def mirror(text: str) -> str:
    """Exchange right and left and nothing else, as an image mirrored in the sagittal plane needs.

    Where only the normalised text says a side, because it corrects a slip or says a liver segment in words, that text
    is mirrored; words that are understood to name no side ("right next to the cyst") stay as they are.

    Example:
        >>> mirror("The right-sided lesion that is not in the left lobe")
        'The left-sided lesion that is not in the right lobe'
    """
    meaning, normal = parse(text), normalize(text)
    if meaning is not None and meaning.side is None and (meaning.near is None or meaning.near.side is None):
        return text
    if len(_SIDE_WORDS.findall(normal)) != len(_SIDE_WORDS.findall(text)):
        text = normal
    return _SIDE_WORDS.sub(lambda match: _like(match.group(), _SIDES[match.group().lower()]), text)


def paraphrases(text: str, generator: Generator, n: int, *, held_out: bool = True) -> list[str]:
    """Say the same in other words.

    Args:
        text: an expression.
        generator: the only source of randomness.
        n: how many; fewer come back if there are no more.
        held_out: use synonyms and word orders that no training has seen; else only those of training.

    Returns:
        Wordings that differ from each other and from the text; none if it is not understood.
    """
    meaning = parse(text)
    found: dict[str, str] = {}
    if meaning is not None:
        for _ in range(20 * n):
            other = word(meaning, 0, generator, held_out=held_out)
            key = normalize(other)
            if len(found) < n and key not in found and key != normalize(text) and parse(other) == meaning:
                found[key] = other
    return list(found.values())


def _like(word: str, other: str) -> str:
    """The other word, with the capitals of the first."""
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other[0].upper() + other[1:] if word[0].isupper() and word[1:].islower() else other


def _shuffled(texts: Sequence[str], seed: int) -> list[str]:
    """Exchange texts so that each place gets one that differs from its own in more than case and full stop."""
    groups: dict[str, list[int]] = defaultdict(list)
    generator = np.random.default_rng(seed)
    for index in generator.permutation(len(texts)):
        groups[texts[index].casefold().strip(" .")].append(int(index))
    largest = max((len(group) for group in groups.values()), default=0)
    if 2 * largest > len(texts):
        raise ValueError(
            f"shuffling needs expressions of which none fills more than half of the entries, got one in {largest} of "
            f"{len(texts)}; use more varied data"
        )
    order = [index for group in groups.values() for index in group]
    result = list(texts)
    for place, source in zip(order, order[largest:] + order[:largest], strict=True):
        result[place] = texts[source]
    return result
