# SPDX-License-Identifier: Apache-2.0
"""The one plain wording of a meaning: what the network is asked on volumes, and often hears in training."""

from __future__ import annotations

from lsms_monai.data.meaning import Meaning
from lsms_monai.data.vocabulary import NUMBERS, ORDERS

_ADJECTIVES = {"hypervascular": "enhancing", "rim": "rim-enhancing", "cyst": "cystic"}


def canonical(meaning: Meaning) -> str:
    """Say a meaning in its one plain wording.

    Example:
        >>> canonical(Meaning("right", "cyst", "largest"))
        'the largest cyst in the right lobe'
    """
    if meaning.is_class_only and not meaning.plural:
        return "liver lesion"
    many = meaning.plural or (meaning.rank is not None and meaning.count is not None)
    noun = "lesions" if many else "lesion"
    adjectives = []
    if meaning.capsule and meaning.negated != "capsule":
        adjectives.append(meaning.capsule)
    if meaning.attenuation == "cyst" and meaning.negated != "attenuation":
        noun = "cysts" if many else "cyst"
    elif meaning.attenuation and meaning.negated != "attenuation":
        adjectives.append(_ADJECTIVES.get(meaning.attenuation, meaning.attenuation))
    return _join(_canonical_lead(meaning), *adjectives, noun, *_canonical_tail(meaning))


def _canonical_lead(meaning: Meaning) -> str:
    number = NUMBERS[meaning.count].known[0] if meaning.count in NUMBERS else ""
    if meaning.rank is not None:
        order = ORDERS[meaning.order].known[0] if meaning.order in ORDERS else ""
        return _join("the", number, order, meaning.rank)
    if meaning.count == 0:
        return "no"
    if meaning.plural:
        return f"the {number}" if number else "all"
    return "the only" if meaning.count == 1 else "the"


def _canonical_tail(meaning: Meaning) -> list[str]:
    """Place, size, what it is not and its neighbour."""
    tail = []
    places = [getattr(meaning, name) for name in ("level", "depth", "side") if name != meaning.negated]
    where = _join(*(place or "" for place in places))
    if meaning.organ is not None:
        tail.append(f"in the {_join(where, meaning.organ)}")
    elif where:
        has_side = meaning.side and meaning.negated != "side"
        tail.append(f"in the {where} {'lobe' if has_side else 'liver'}")
    if meaning.size_mm is not None:
        bound = {None: "of", "over": "larger than", "under": "smaller than"}[meaning.bound]
        tail.append(f"{bound} {meaning.size_mm:g} mm")
    if meaning.negated is not None:
        what = str(getattr(meaning, meaning.negated))
        tail.append(
            f"not in the {what} lobe" if meaning.negated == "side" else f"that is not {_ADJECTIVES.get(what, what)}"
        )
    if meaning.near is not None:
        tail.append(f"next to {canonical(meaning.near)}")
    return tail


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)
