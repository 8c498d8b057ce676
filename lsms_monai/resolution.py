# SPDX-License-Identifier: Apache-2.0
"""From words to lesions of the patient: what a slice can tell goes to the network, the rest is resolved over 3-D.

A slice-wise network finds a largest lesion on every slice. It is therefore asked for all lesions of a side, type and
place, in fixed plain words; ranks, counts, sizes and neighbours are told over the components of its answers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lsms_monai.components import Component, Components, paint
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import Meaning
from lsms_monai.data.misreadings import PLACE, SENTENCE_ENDS
from lsms_monai.data.normalization import normalize
from lsms_monai.data.parsing import parse
from lsms_monai.data.vocabulary import ANY_NOUN
from lsms_monai.selection import choose, parts

NOT_UNDERSTOOD = "The wording was not understood as a whole; the model read it slice by slice, as it is."
_EXCEPTION = re.compile(r"(.+?) (?:except(?: for)?|excluding|apart from|other than) (.+)")
# "(except cysts) in the left lobe": what comes after it belongs to the whole
_INSERTED = re.compile(
    r"[(,]\s*(?:all )?(?:except|excluding|apart from|other than|but)\b[^(),]*[),]\s*\w", re.IGNORECASE
)
_LESION = rf"\b(?:{ANY_NOUN})\b"
_ALL_BUT = re.compile(  # "all hypodense but solid lesions" leaves out nothing
    rf"((?:all|every|each)\b.*?{_LESION}.*?|all|everything|every one) but (?!not\b)(the .+|.*?{_LESION}.*)"
)

_UNCLEAR = re.compile(  # "except cysts in the right lobe": all but those there, or the others there? "Except small"?
    rf"(?!(?:the|those|ones?|all|any|every|each|that|this)\b).*?{_LESION}.*\b(?:{PLACE})\b.*|small|tiny|little|large|big"
)


@dataclass(frozen=True)
class Plan:
    """How an expression will be answered.

    Args:
        texts: what the network is asked, the words for the target first.
        meaning: what the expression says; None if it was not understood.
        exception: what it leaves out of that, as in "all but the largest".
    """

    texts: tuple[str, ...]
    meaning: Meaning | None
    exception: Meaning | None = None


@dataclass(frozen=True, eq=False)
class Resolution:
    """What an expression means in one image.

    Args:
        components: the lesions that are meant, none if none is.
        existence: 0..1, how sure it is that there is a target.
        explanation: how it was found out, in words for a radiologist.
    """

    components: list[Component]
    existence: float
    explanation: str


def plan(expression: str) -> Plan:
    """Divide an expression into what a slice can tell and what only the volume can.

    Args:
        expression: a person's words. Those that are not understood go to the network as they are, normalised.

    Example:
        >>> plan("The largest lesion in the right lobe").texts
        ('all lesions in the right lobe',)
    """
    text = normalize(expression)
    is_plain = not _INSERTED.search(expression) and len(SENTENCE_ENDS.split(expression)) == 1
    excepted = _with_exception(text) if is_plain else None
    meaning, exception = excepted or (parse(expression) if text else None, None)
    if meaning is None:
        return Plan((text or expression,), None)  # no letter is left of what no Latin script writes
    needed = parts(meaning) + (parts(exception) if exception else [])
    return Plan(tuple(dict.fromkeys(map(canonical, needed))), meaning, exception)


def resolve(plan: Plan, found: Mapping[str, Components], existence_threshold: float) -> Resolution:
    """Choose among the components of the network's answers.

    Args:
        plan: of the expression.
        found: the components that the network has found for each of the plan's texts.
        existence_threshold: below this existence nothing is marked.
    """
    there = found[plan.texts[0]]
    left_out = None
    if plan.exception is not None:
        whole = paint(there.items, there.shape)  # "all cysts except the largest": the largest of the cysts
        among = {text: replace(c, items=[i for i in c.items if i.overlap(whole) >= 0.5]) for text, c in found.items()}
        excepted, left_out = choose(plan.exception, among)
        mask = paint(excepted, there.shape)
        others = [component for component in there.items if component.overlap(mask) < 0.5]
        found = {**found, plan.texts[0]: replace(there, items=others)}
    chosen, explanation = choose(plan.meaning, found) if plan.meaning else (there.sure, NOT_UNDERSTOOD)
    if left_out is not None:
        explanation = f"Left out: {_lowered(left_out)} Of the rest: {_lowered(explanation)}"
    nothing_seen = there.best if not there.items else 0.0
    existence = max((component.score for component in chosen), default=nothing_seen)
    if chosen and existence < existence_threshold:
        chosen = []
        explanation = f"The best match scores {existence:.2f}, below {existence_threshold:.2f}: too unsure to mark."
    return Resolution(chosen, existence, explanation)


def _with_exception(text: str) -> tuple[Meaning, Meaning] | None:
    """The two meanings of "all ... but ..."; None if the words are of another form."""
    match = _ALL_BUT.fullmatch(text) or _EXCEPTION.fullmatch(text)
    if match is None:
        return None
    whole, exception = match.groups()
    exception = re.sub(r"^those\b", "ones", exception)
    meaning = parse("all lesions" if whole in ("all", "everything", "every one") else whole)
    named = exception if re.search(_LESION, exception) else f"{exception} lesions"  # "except the left lobe"
    left_out = parse(named) or parse(exception)
    if _UNCLEAR.fullmatch(exception) or meaning is None or left_out is None:
        return None
    if replace(left_out, count=None).is_class_only:
        return None
    if meaning.near or meaning.count == 0:  # "no lesion but the cyst" is the cyst, if there is no other lesion
        return None
    return meaning, left_out


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
