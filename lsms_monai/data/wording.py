# SPDX-License-Identifier: Apache-2.0
"""Say a meaning in a radiologist's words, in any of many ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from numpy.random import Generator

import lsms_monai.data.vocabulary as say
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import Meaning
from lsms_monai.data.vocabulary import Words

CANONICAL_RATE = 0.3  # of the expressions of the training, in plain words
SLICE_PART_RATE = 0.75  # of those that a slice can tell: in these very words the network is asked by the predictor
_T = TypeVar("_T")
_DETAILS = ("level", "depth")
_OF_THE_ORGAN = ("lobe", "liver", "hepatic", "lobar")


def word(meaning: Meaning, num_candidates: int, generator: Generator, *, held_out: bool = False) -> str:
    """Say a meaning in one of many wordings.

    Args:
        meaning: what to say.
        num_candidates: how many lesions fit all but its rank, for "both" and for "larger" against "largest".
        generator: chooses among synonyms and word orders.
        held_out: say it with at least one synonym or word order that is kept for testing; else with none.
    """
    plain_rate = SLICE_PART_RATE if meaning == meaning.slice_part() else CANONICAL_RATE
    if not held_out and generator.random() < plain_rate:
        return canonical(meaning)
    speaker = _Speaker(generator, held_out)
    text = speaker.sentence(meaning, num_candidates)
    while held_out and not speaker.is_novel:
        text = speaker.sentence(meaning, num_candidates)
    if generator.random() < 0.3:
        text = text[0].upper() + text[1:]
    return text + "." if generator.random() < 0.1 else text


class _Speaker:
    """Chooses words; remembers whether one was of those kept for testing."""

    def __init__(self, generator: Generator, held_out: bool) -> None:
        self.generator = generator
        self.held_out = held_out
        self.is_novel = False

    def chance(self, rate: float) -> bool:
        return bool(self.generator.random() < rate)

    def any_of(self, options: Sequence[_T]) -> _T:
        return options[int(self.generator.integers(len(options)))]

    def pick(self, words: Words) -> str:
        if self.held_out and words.held_out and self.chance(0.5):
            self.is_novel = True
            return self.any_of(words.held_out)
        return self.any_of(words.known)

    def sentence(self, meaning: Meaning, num_candidates: int) -> str:
        lead, many = self.lead(meaning, num_candidates)
        noun, adjectives, tail = self.parts(meaning, many)
        orders = say.WORD_ORDERS
        is_other = self.held_out and self.chance(0.4)
        order = self.any_of(orders.held_out if is_other else orders.known)
        text = self.reordered(order, meaning, lead, many, noun, adjectives, tail)
        self.is_novel |= is_other and text is not None
        text = text or _join(lead, *adjectives, noun, *tail)
        if meaning.near is not None:
            text = _join(text, self.pick(say.NEAR), canonical(meaning.near))
        return _join(self.pick(say.VERBS), text) if self.chance(0.05) else text

    def reordered(
        self, order: str, meaning: Meaning, lead: str, many: bool, noun: str, adjectives: list[str], tail: list[str]
    ) -> str | None:
        """Put the parts into another than the plain order; None where that order does not suit them."""
        if meaning.negated is not None or meaning.count == 0:
            return None
        describes = bool(adjectives) and not any(word.endswith(_OF_THE_ORGAN) for word in adjectives)
        if order in ("front", "colon") and tail and tail[0].startswith("in the "):
            place = tail[0] + "," if order == "front" else tail[0].removeprefix("in the ") + ":"
            return _join(place, lead, *adjectives, noun, *tail[1:])
        if order == "report" and describes and lead in ("", "the") and not many:
            return ", ".join((noun, *adjectives, *tail))
        if order == "relative" and describes:
            verb = "are" if many and meaning.rank is None else "is"
            return _join(lead, noun, *tail, self.any_of(("that", "which")), verb, ", ".join(adjectives))
        if order == "of" and meaning.rank is not None and meaning.count is None and not many:
            noun, adjectives, tail = self.parts(meaning, many=True)
            return f"{_join('of the', *adjectives, noun, *tail)}, the {lead.removeprefix('the ')} one"
        return None

    def lead(self, meaning: Meaning, num_candidates: int) -> tuple[str, bool]:
        """Article, quantifier and rank, and whether a plural noun follows."""
        if meaning.rank is not None:
            return self.ranked_lead(meaning, num_candidates)
        if meaning.count == 0:
            return self.pick(say.NONE), self.chance(0.5)
        if meaning.count == 1:
            return self.pick(say.ONLY), False
        if meaning.count == 2 and self.chance(0.7):
            return self.pick(say.BOTH), True
        if meaning.count is not None:
            number = self.pick(say.NUMBERS[meaning.count])
            return self.any_of((f"the {number}", f"all {number}")), True
        if meaning.plural:
            lead = self.pick(say.ALL)
            return lead, lead not in ("every", "each")
        return self.article(), False

    def ranked_lead(self, meaning: Meaning, num_candidates: int) -> tuple[str, bool]:
        if meaning.count is not None:
            number = self.pick(say.NUMBERS[meaning.count])
            return _join("the", number, self.pick(say.SUPERLATIVES[str(meaning.rank)])), True
        if meaning.order > 1:
            return _join("the", self.pick(say.ORDERS[meaning.order]), str(meaning.rank)), False
        is_compared = num_candidates == 2 and self.chance(0.7)
        rank = self.pick((say.COMPARATIVES if is_compared else say.SUPERLATIVES)[str(meaning.rank)])
        if num_candidates in say.NUMBERS and rank.endswith(("er", "est")) and self.chance(0.2):
            return _join(self.article(), rank, "of the", self.pick(say.NUMBERS[num_candidates])), True
        return _join(self.article(), rank), False

    def article(self) -> str:
        return "the" if self.chance(0.6) else ""

    def parts(self, meaning: Meaning, many: bool) -> tuple[str, list[str], list[str]]:
        """Noun, the adjectives before it and the phrases after it."""
        left_out: dict[str, Any] = {meaning.negated: None} if meaning.negated else {}
        said = replace(meaning, **left_out)
        before: list[str] = []
        after: list[str] = []
        if said.size_mm is not None:
            size = self.size(said)
            (before if size[0].isdigit() and "in" not in size else after).append(size)
        self.place(said, before, after)
        noun = self.noun(said, many, before, after)
        if said.side is None and said.organ is None and "hepatic" not in noun and self.chance(0.3):
            before.append(self.any_of(("liver", "hepatic")))
        if meaning.negated is not None:
            after.append(self.negation(meaning, many))
        return noun, before, after

    def size(self, meaning: Meaning) -> str:
        mm = float(meaning.size_mm or 0)
        length = self.any_of((f"{mm:g} mm", f"{mm / 10:g} cm", f"{mm / 10:g}cm"))
        return self.pick(say.BOUNDS[meaning.bound] if meaning.bound else say.ABOUT).format(size=length)

    def place(self, meaning: Meaning, before: list[str], after: list[str]) -> None:
        """Words for capsule, level, depth, side and organ, before or after the noun."""
        details = [str(getattr(meaning, name)) for name in _DETAILS if getattr(meaning, name)]
        if meaning.organ is not None:
            noun, *adjectives = say.ORGANS[meaning.organ].all if self.held_out else say.ORGANS[meaning.organ].known
            if adjectives and self.chance(0.3):
                before.append(_join(meaning.side or "", self.any_of(adjectives)))
            else:
                after.append(_join(self.any_of(("in the", "of the")), meaning.side or "", noun))
            return
        where = meaning.side
        if where and details and self.chance(0.5):
            detail = " ".join(details if self.chance(0.5) else details[::-1])
            form = say.DETAILED.known[0] if meaning.level else self.pick(say.DETAILED)  # a "right upper lobe" breathes
            where, details = form.format(detail=detail, side=where), []
        for detail in [*details, *([meaning.capsule] if meaning.capsule else [])]:
            if self.chance(0.5):
                before.append(self.pick(say.ADJECTIVES[detail]))
            else:
                after.append(self.pick(say.PHRASES[detail]))
        if where and where == meaning.side and self.chance(0.3):
            before.append(self.pick(say.SIDE_ADJECTIVES).format(where=where))
        elif where and where == meaning.side and self.chance(0.15):
            after.append(self.pick(say.SIDE_PHRASES).format(where=where))
        elif where:
            after.append(self.pick(say.PLACES).format(where=where))

    def noun(self, meaning: Meaning, many: bool, before: list[str], after: list[str]) -> str:
        """Noun with its attenuation; adjectives and phrases for it are added to the lists."""
        kind = meaning.attenuation
        if kind and self.chance(0.6 if kind in ("cyst", "solid", "calcified") else 0.25):
            return self.pick(say.NOUNS[kind]).split("/")[many]
        if kind and kind in say.PHRASES and self.chance(0.15):
            after.insert(0, self.pick(say.PHRASES[kind]))
        elif kind:
            before.append(self.pick(say.ADJECTIVES[kind]))
        return (say.NOUNS[None].known[0] if self.chance(0.4) else self.pick(say.NOUNS[None])).split("/")[many]

    def negation(self, meaning: Meaning, many: bool) -> str:
        said = str(getattr(meaning, str(meaning.negated)))
        if meaning.negated == "side":
            what = self.any_of((f"in the {said} lobe", f"in the {said} hepatic lobe"))
        else:
            what = self.pick(say.ADJECTIVES[said])
        text = self.pick(say.NEGATED).format(what=what)
        return text.replace(" is ", " are ") if many else text


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)
