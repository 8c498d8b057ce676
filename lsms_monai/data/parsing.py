# SPDX-License-Identifier: Apache-2.0
"""Read an expression back into its meaning; what is not understood to the last word is not guessed."""

from __future__ import annotations

import re
from typing import Any

import lsms_monai.data.vocabulary as say
from lsms_monai.data.lexicon import Concept, lexicon, longest_phrase, words_of
from lsms_monai.data.meaning import ATTENUATIONS, OPPOSITES, Meaning
from lsms_monai.data.misreadings import has_another_finding, is_astray, speaks_of_something_else
from lsms_monai.data.normalization import normalize

_SIZE = re.compile(r"(\d{1,6}(?:\.\d+)?)mm")
_PLACES = frozenset(OPPOSITES)
_ATTRIBUTES = _PLACES | {"attenuation"}
_FIELDS = _ATTRIBUTES | {"rank", "order", "size_mm", "bound", "organ"}
_CONTEXT = frozenset((*say.CONTEXT, "just"))
_REFERENTS = frozenset(("noun", "rank", "number", "all", "attenuation", "none", "only"))


def parse(text: str) -> Meaning | None:
    """Understand an expression.

    Args:
        text: a radiologist's words; it is normalised first. No words at all mean every lesion.

    Returns:
        What it says; None where a word is not understood, words contradict each other or name no lesion.

    Example:
        >>> parse("Hypoattenuating focus under the dome of the right lobe") == Meaning(
        ...     "right", "hypodense", level="upper"
        ... )
        True
    """
    normalised = normalize(text)
    words = words_of(normalised.replace(" mm", "mm"))
    if not words:
        return Meaning()
    concepts = _concepts(words)
    if concepts is None or speaks_of_something_else(text, normalised):
        return None
    names = [name for name, _ in concepts]
    if has_another_finding(text, names):
        return None
    if "near" not in names:
        return _phrase(concepts)
    at = names.index("near")
    head, there = concepts[:at], concepts[at + 1 :]
    if not any(name in _REFERENTS for name, _ in there):  # "near the capsule"
        said = set(names[at + 1 :])
        is_beside = not said & (_PLACES - {"side"} | {"size_mm"})  # near the left lobe or the liver is not in it
        return None if is_beside or said & {"near", "organ"} else _phrase(head + there)
    meaning, near = _phrase(head), _phrase(there)
    if meaning is None or near is None or meaning.plural or meaning.rank:
        return None
    if near.is_class_only or near.organ or near.plural:
        return None
    return Meaning(**{**vars(meaning), "near": near})


def _concepts(words: list[str]) -> list[Concept] | None:
    """What each phrase says, the longest first; None if a word is left over."""
    phrases = lexicon()
    longest = longest_phrase()
    found: list[Concept] = []
    start = 0
    while start < len(words):
        if size := _SIZE.fullmatch(words[start]):
            found.append(("size_mm", float(size.group(1))))
            start += 1
            continue
        for stop in range(min(len(words), start + longest), start, -1):
            concepts = phrases.get(tuple(words[start:stop]))
            if concepts is not None:
                found += concepts
                start = stop
                break
        else:
            return None
    return found


def _phrase(concepts: list[Concept]) -> Meaning | None:
    """Put the concepts of one noun phrase together."""
    if is_astray([name for name, _ in concepts]):
        return None
    concepts = _without_needless_denial(_denying([concept for concept in concepts if concept[0] not in _CONTEXT]))
    names = [name for name, _ in concepts]
    if not _REFERENTS & set(names) or {"refused", "near"} & set(names) or names.count("not") > 1:
        return None
    said: dict[str, Any] = {}
    for name, value in concepts:
        if name in _FIELDS:
            before: Any = said.get(name, value)
            said[name] = _merged(before, value) if name == "attenuation" else value
            if said[name] is None or (name != "attenuation" and before != value):
                return None
    if "not" in names:
        said["negated"] = _negated(names)
        if said["negated"] is None or names.count(said["negated"]) > 1:
            return None
    if ("bound" in said and "size_mm" not in said) or ("order" in said and "rank" not in said):
        return None
    if "order" in said and "size_mm" in said and "bound" not in said:
        return None  # "the second largest, 2 cm": the size of that one, or of all that are ranked?
    counted = _counted(concepts, said.get("rank"))
    if counted and "up to" in names and not counted.get("plural") and counted.get("count") != 0:
        said.pop("bound")  # "a mass up to 3 cm" is that large, "lesions up to 3 cm" are no larger
    return None if counted is None or said.get("size_mm", 1) <= 0 else Meaning(**said, **counted)


def _denying(concepts: list[Concept]) -> list[Concept]:
    """Read "no" as "without" where it comes after what is meant ("lesion with no calcification")."""
    names = [name for name, _ in concepts]
    if "none" in names and _REFERENTS & set(names[: names.index("none")]):
        return [("not", None) if name == "none" else (name, value) for name, value in concepts]
    return concepts


def _without_needless_denial(concepts: list[Concept]) -> list[Concept]:
    """Leave out what goes without saying: "not hemangioma" of a cyst."""
    names = [name for name, _ in concepts]
    kinds = [(at, value) for at, (name, value) in enumerate(concepts) if name == "attenuation"]
    if "not" in names and len(kinds) == 2:
        (first, asserted), (second, denied) = kinds
        at = names.index("not")
        if first < at < second and set(names[at + 1 : second]) <= {"noun"} and _merged(asserted, denied) is None:
            return concepts[:at] + concepts[second + 1 :]
    return concepts


def _negated(names: list[str]) -> str | None:
    """The attribute after "not"; None if there is none or the denial may reach further."""
    after = names[names.index("not") + 1 :]
    if after[:2] == ["noun", "attenuation"]:
        after = after[1:]
    if not after or after[0] not in _ATTRIBUTES or (after[0] in _PLACES and _PLACES & set(after[1:2])):
        return None
    return after[0]


def _counted(concepts: list[Concept], rank: str | None) -> dict[str, Any] | None:
    """Whether one is meant, how many, or all."""
    names = [name for name, _ in concepts]
    meant = concepts[: names.index("not")] if "not" in names else concepts
    own = [value for name, value in meant if name == "noun"]
    if rank is None and "of" not in names and True in own and not own[-1]:
        return None  # "two lesions, one in the right lobe"
    counts = {value for name, value in concepts if name == "number"}  # "the larger of the two" asks for one
    nouns = own or [value for name, value in concepts if name == "noun"]
    is_plural = any(nouns[-1:] if names[0] == "of" else nouns)  # "of the lesions, the one in the left lobe"
    if len(counts) > 1 or (rank is None and "total" in names) or (counts and "noun" in names and not is_plural):
        return None
    count = next(iter(counts), None)
    if "none" in names:
        is_odd = count is not None or rank is not None or "all" in names or "only" in names
        return None if is_odd else {"count": 0}
    has_many = is_plural or count is not None or "all" in names or "bilobar" in names
    has_many = has_many or ("only" in names and "noun" not in names)  # "the right lobe only"
    if "only" in names and rank is None and not has_many:  # else it says no more than the rest
        return {"count": 1}
    if rank is None:
        return {"count": count, "plural": has_many}
    is_one_of_many = "of" in names and "noun" in names[names.index("of") :]
    return None if "all" in names or (is_plural and count is None and not is_one_of_many) else {"count": count}


def _merged(first: str, second: str) -> str | None:
    """What two words for attenuation say together ("hypodense cyst"); None if they contradict each other."""
    if {first, second} == {"hypodense", "hypervascular"}:
        return "solid hypodense"  # darker than the liver all the same; a rim is named as such
    either = [set(ATTENUATIONS[name][0]) | set(ATTENUATIONS[name][1]) for name in (first, second)]
    both = either[0] & either[1]
    for name, (sure, unsure) in ATTENUATIONS.items():
        if both and both in (set(sure), set(sure) | set(unsure)):
            return name
    return None
