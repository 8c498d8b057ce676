# SPDX-License-Identifier: Apache-2.0
"""Change the expressions of a datalist and leave the truth: does the model listen?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from lsms_monai.keys import EXPRESSION

WORDINGS = ("matched", "shuffled", "empty", "contradicted")

# Both ways: a word becomes its opposite. Longer ones come first.
_OPPOSITES = [
    ("right", "left"),
    ("largest", "smallest"),
    ("larger", "smaller"),
    ("large", "small"),
    ("biggest", "tiniest"),
    ("bigger", "tinier"),
    ("big", "tiny"),
    ("least dense", "densest"),
    ("less dense", "denser"),
    ("lowest", "highest"),
    ("lower", "higher"),
    ("low", "high"),
    ("darkest", "brightest"),
    ("darker", "brighter"),
    ("dark", "bright"),
    ("cyst", "solid enhancing nodule"),
    ("cysts", "solid enhancing nodules"),
    ("cystic", "solid enhancing"),
]
# One way: the opposite is not said by this word alone.
_REPLACEMENTS = {
    "dominant": "smallest",
    "enhancing": "hypodense",
    "with enhancement": "without enhancement",
    "fluid-density": "high-density",
    "fluid-attenuation": "high-attenuation",
    "fluid-filled": "solid enhancing",
    "water-density": "high-density",
    "fluid density": "high density",
    "fluid attenuation": "high attenuation",
    "water density": "high density",
}
_CONTRARY = {
    **{a: b for pair in _OPPOSITES for a, b in (pair, pair[::-1])},
    **_REPLACEMENTS,
    "hypo": "hyper",
    "hyper": "hypo",
}
_WORDS = re.compile(
    r"\b(?:(hypo|hyper)(?=[-a-z])|("
    + "|".join(re.escape(word) for word in sorted(set(_CONTRARY) - {"hypo", "hyper"}, key=len, reverse=True))
    + r")\b)",
    re.IGNORECASE,
)


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
    """Turn every attribute that has an opposite into it.

    Example:
        >>> contradict("The larger hypodense lesion in the right lobe")
        'The smaller hyperdense lesion in the left lobe'
    """

    def opposite(match: re.Match[str]) -> str:
        word = match.group(0)
        contrary = _CONTRARY[word.lower()]
        return contrary[0].upper() + contrary[1:] if word[0].isupper() else contrary

    return _WORDS.sub(opposite, text)


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
