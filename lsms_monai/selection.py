# SPDX-License-Identifier: Apache-2.0
"""Ranks, counts, sizes, levels and neighbours, told over the components that the network has found."""

import math
from collections.abc import Mapping, Sequence

from lsms_monai.components import Component, Components, paint
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import HU_MARGIN, SAME_SIZE, SIZE_MARGIN, Meaning
from lsms_monai.data.vocabulary import ORDERS

AS_SURE = 0.1  # components whose scores differ by less are equally sure
SAME_HEIGHT_MM = 0.1  # centres that differ by less lie at one height: all do on a single slice
SIZE_LIMIT = math.sqrt(SAME_SIZE * SIZE_MARGIN)  # a lesion is "of 20 mm" up to this factor


def parts(meaning: Meaning) -> list[Meaning]:
    """What the network has to answer for a meaning, each as all such lesions of a slice, the target first."""
    needed = [meaning.slice_part()]
    if meaning.negated == "attenuation":
        needed.append(_denied(meaning))
    return needed + (parts(meaning.near) if meaning.near else [])


def choose(meaning: Meaning, found: Mapping[str, Components]) -> tuple[list[Component], str]:
    """Choose the components that a meaning names.

    Unlike the expressions of the data, whose margins leave no doubt, a person's words always get an answer: the first
    of a rank leads, however closely, and the explanation says by how much.

    Args:
        meaning: what to choose.
        found: what the network has found for the canonical words of each of `parts`.

    Returns:
        The components, none if none is meant, and one sentence that says why.
    """
    if meaning.count == 0:
        return [], "The words deny that there is a lesion, so nothing is marked."
    words = canonical(meaning.slice_part())
    is_told_apart = (meaning.rank, meaning.size_mm, meaning.near) != (None, None, None)
    there, name = found[words].items if is_told_apart else found[words].sure, f"“{words}”"
    if meaning.negated == "attenuation":
        denied = canonical(_denied(meaning))
        other = paint(found[denied].sure, found[denied].shape)
        there, name = [c for c in there if c.overlap(other) < 0.5], f"{name} without “{denied}”"
    if not there:
        return [], f"Nothing was found for {name}."
    if meaning.size_mm is not None:
        there, name = _of_size(meaning, there), f"{name} {_size_words(meaning)}"
        if not there:
            return [], f"Nothing was found for {name}."
    if meaning.level is not None:
        there, name = _at_level(meaning, there, name)
    if meaning.size_mm is not None and meaning.bound is None and _names_one(meaning):
        there = there[:1]
    if meaning.near is not None:
        return _nearest(meaning.near, there, name, found)
    if meaning.rank is not None:
        return _ranked(meaning, there, name)
    return _counted(meaning, there, name)


def _denied(meaning: Meaning) -> Meaning:
    return Meaning(attenuation=meaning.attenuation, plural=True)


def _counted(meaning: Meaning, there: list[Component], name: str) -> tuple[list[Component], str]:
    """All, or as many as the words say, the surest first."""
    wanted = None if meaning.plural or meaning.is_class_only else 1
    wanted = wanted if meaning.count is None else meaning.count
    if wanted is None or len(there) == wanted == 1:
        number = {1: "The one", 2: "Both"}.get(len(there), f"All {len(there)}")
        return there, f"{number} found for {name}."
    if len(there) < wanted:
        return there, f"Asked for {wanted}, {len(there)} found for {name}."
    chosen = _surest(there, wanted)
    if len(there) == wanted:
        return chosen, f"The {wanted} found for {name}."
    surest = "The surest one" if wanted == 1 else f"The surest {wanted}"
    return chosen, f"{surest} of {len(there)} found for {name}, as the words name {wanted}."


def _names_one(meaning: Meaning) -> bool:
    """Whether one lesion is meant, and neither a rank, nor a count, nor a neighbour will tell which."""
    return not meaning.plural and (meaning.rank, meaning.count, meaning.near) == (None, None, None)


def _surest(there: Sequence[Component], wanted: int) -> list[Component]:
    """By score, among equally sure ones by size."""
    left = list(there)
    chosen: list[Component] = []
    while len(chosen) < wanted:
        best = max(component.score for component in left)
        equal = [component for component in left if component.score > best - AS_SURE]
        chosen.append(max(equal, key=lambda component: component.lesion.volume_ml))
        left.remove(chosen[-1])
    return chosen


def _ranked(meaning: Meaning, there: list[Component], name: str) -> tuple[list[Component], str]:
    """Those at the places of the rank that the words say."""
    by_size = meaning.rank in ("largest", "smallest")
    sign = -1 if meaning.rank in ("largest", "brightest") else 1
    value, unit = (_diameter, "mm") if by_size else (_attenuation, "HU")
    ranked = sorted(there, key=lambda component: (math.isnan(value(component)), sign * value(component)))
    start, number = meaning.order - 1, meaning.count or 1
    which = f"{ORDERS[meaning.order].known[0]} {meaning.rank}" if meaning.order in ORDERS else meaning.rank
    chosen, rest = ranked[start : start + number], ranked[start + number :]
    if not chosen:
        return [], f"Only {len(there)} found for {name}, so there is no {which} one."
    if len(chosen) < number:
        return chosen, f"Asked for the {number} {which}, {len(chosen)} found for {name}."
    if len(there) == 1:
        return chosen, f"The only one found for {name}, hence the {which}."
    values = ", ".join(f"{value(component):.0f}" for component in chosen)
    text = f"The {f'{number} ' * (number > 1)}{which} of {len(there)} found for {name} ({values} {unit}"
    if rest:
        text += f"; next {value(rest[0]):.0f} {unit}"
    borders = [ranked[i - 1 : i + 1] for i in (start, start + number) if 0 < i < len(ranked)]
    is_close = any(_is_close(value(first), value(second), by_size) for first, second in borders)
    return chosen, text + (", a close call)." if is_close else ").")


def _is_close(first: float, second: float, by_size: bool) -> bool:
    if by_size:
        return max(first, second) < SAME_SIZE * min(first, second)
    return abs(first - second) < HU_MARGIN


def _nearest(
    neighbour: Meaning, there: list[Component], name: str, found: Mapping[str, Components]
) -> tuple[list[Component], str]:
    """The one whose centre is nearest to that of the neighbour."""
    anchors, why = choose(neighbour, found)
    if not anchors:
        return [], f"The neighbour is missing: {why[0].lower()}{why[1:]}"
    anchor = anchors[0]
    mask = paint([anchor], next(iter(found.values())).shape)
    others = [component for component in there if component.overlap(mask) < 0.5]
    if not others:
        return [], f"Nothing else was found for {name} beside “{canonical(neighbour)}”."
    ways = sorted(((math.dist(c.lesion.centroid_mm, anchor.lesion.centroid_mm), c) for c in others), key=lambda w: w[0])
    far = "; next ".join(f"{way:.0f} mm" for way, _ in ways[:2])
    return [ways[0][1]], f"The one found for {name} nearest to “{canonical(neighbour)}” ({far} between centres)."


def _of_size(meaning: Meaning, there: list[Component]) -> list[Component]:
    """Those larger or smaller than a size, or about of it, the best fitting one first."""
    size = float(meaning.size_mm or 1)
    if meaning.bound is not None:
        return [c for c in there if (_diameter(c) > size) == (meaning.bound == "over")]
    return sorted((c for c in there if _misfit(c, size) <= SIZE_LIMIT), key=lambda c: _misfit(c, size))


def _misfit(component: Component, size: float) -> float:
    """Factor between a size and the nearest of what may be called the diameter, from the mean to the longest one."""
    low, high = sorted((component.round_mm, _diameter(component)))
    return max(low / size, size / high, 1.0)


def _size_words(meaning: Meaning) -> str:
    return f"{meaning.bound or 'of about'} {meaning.size_mm:g} mm"


def _at_level(meaning: Meaning, there: list[Component], name: str) -> tuple[list[Component], str]:
    """Those in the upper or the lower half between the highest and the lowest one, or the utmost one if one is meant.

    The network sees slices and no liver: the lesions found are compared with each other. Where they lie at one height,
    or a neighbour tells which is meant, all are left.
    """
    heights = [component.lesion.centroid_mm[2] for component in there]
    if meaning.near is not None or max(heights) - min(heights) < SAME_HEIGHT_MM:
        return there, f"{name} (how high it lies in the liver was not checked)"
    is_upper = (meaning.level == "upper") != (meaning.negated == "level")
    if _names_one(meaning):
        utmost = heights.index(max(heights) if is_upper else min(heights))
        return [there[utmost]], f"{name}, the {'upper' if is_upper else 'lower'}most of {len(there)}"
    middle = (max(heights) + min(heights)) / 2
    half = [c for c, z in zip(there, heights, strict=True) if (z >= middle if is_upper else z <= middle)]
    return half, f"{name}, the {'upper' if is_upper else 'lower'} half of {len(there)}"


def _diameter(component: Component) -> float:
    return component.lesion.longest_axial_diameter_mm


def _attenuation(component: Component) -> float:
    return component.hu
