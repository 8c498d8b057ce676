# SPDX-License-Identifier: Apache-2.0
"""What words mean among components of known size, attenuation and place: always an answer, with its reason."""

from dataclasses import replace

import numpy as np
import pytest

from lsms_monai.answer import Lesion
from lsms_monai.components import Component, Components
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import Meaning
from lsms_monai.selection import choose, parts

SHAPE = (10, 1, 1)
# name: diameter mm, HU, height mm, score
LESIONS = {"a": (41, 60, 10, 0.99), "b": (22, 20, 90, 0.97), "c": (20, 130, 40, 0.95), "d": (8, 55, 60, 0.8)}


def component(name):
    """A component of one voxel with the measures of a lesion."""
    diameter, hu, height, score = LESIONS[name]
    place = "abcd".index(name)
    lesion = Lesion(diameter**3 / 2000, diameter, hu, (0.0, 0.0, height), (0, 0), score)
    box = (slice(place, place + 1), slice(0, 1), slice(0, 1))
    return Component(box, np.ones((1, 1, 1), bool), lesion, 0.95 * diameter, hu, score)


def ask(meaning, names="abcd", **others):
    """Names and reason of what is chosen, where the network has found `names`; `others` are its other answers."""
    answers = {canonical(part): "" for part in parts(meaning)}
    answers |= {canonical(meaning.slice_part()): names}
    answers |= {canonical(Meaning(attenuation=kind, plural=True)): there for kind, there in others.items()}
    found = {text: Components([component(n) for n in there], 0.99, SHAPE) for text, there in answers.items()}
    chosen, reason = choose(meaning, found)
    return "".join(sorted("abcd"[c.box[0].start] for c in chosen)), reason


@pytest.mark.parametrize(
    ("meaning", "chosen", "reason"),
    [
        (Meaning(rank="largest"), "a", "The largest of 4 found for “all lesions” (41 mm; next 22 mm)."),
        (
            Meaning(rank="largest", order=2),
            "b",
            "The second largest of 4 found for “all lesions” (22 mm; next 20 mm, a close call).",
        ),
        (
            Meaning(rank="largest", order=3),
            "c",
            "The third largest of 4 found for “all lesions” (20 mm; next 8 mm, a close call).",
        ),
        (Meaning(rank="smallest"), "d", "The smallest of 4 found for “all lesions” (8 mm; next 20 mm)."),
        (Meaning(rank="darkest"), "b", "The darkest of 4 found for “all lesions” (20 HU; next 55 HU)."),
        (Meaning(rank="brightest"), "c", "The brightest of 4 found for “all lesions” (130 HU; next 60 HU)."),
        (
            Meaning(rank="largest", count=2),
            "ab",
            "The 2 largest of 4 found for “all lesions” (41, 22 mm; next 20 mm, a close call).",
        ),
        (Meaning(rank="largest", count=4), "abcd", "The 4 largest of 4 found for “all lesions” (41, 22, 20, 8 mm)."),
        (Meaning(rank="largest", count=5), "abcd", "Asked for the 5 largest, 4 found for “all lesions”."),
        (Meaning(rank="largest", order=5), "", "Only 4 found for “all lesions”, so there is no fifth largest one."),
        (
            Meaning("right", rank="largest"),
            "a",
            "The largest of 4 found for “all lesions in the right lobe” (41 mm; next 22 mm).",
        ),
        (Meaning(), "abcd", "All 4 found for “all lesions”."),
        (Meaning("left", plural=True), "abcd", "All 4 found for “all lesions in the left lobe”."),
        (Meaning(plural=True, count=4), "abcd", "The 4 found for “all lesions”."),
        (
            Meaning(plural=True, count=2),
            "ab",
            "The surest 2 of 4 found for “all lesions”, as the words name 2.",
        ),
        (
            Meaning("left"),
            "a",
            "The surest one of 4 found for “all lesions in the left lobe”, as the words name 1.",
        ),
        (
            Meaning(count=1),
            "a",
            "The surest one of 4 found for “all lesions”, as the words name 1.",
        ),
        (Meaning(plural=True, count=5), "abcd", "Asked for 5, 4 found for “all lesions”."),
        (Meaning(count=0), "", "The words deny that there is a lesion, so nothing is marked."),
        (Meaning(size_mm=23.0), "b", "The one found for “all lesions” of about 23 mm."),
        (Meaning(size_mm=23.0, plural=True), "bc", "Both found for “all lesions” of about 23 mm."),
        (Meaning(size_mm=70.0), "", "Nothing was found for “all lesions” of about 70 mm."),
        (Meaning(size_mm=21.0, bound="over", plural=True), "ab", "Both found for “all lesions” over 21 mm."),
        (Meaning(size_mm=10.0, bound="under"), "d", "The one found for “all lesions” under 10 mm."),
        (
            Meaning(size_mm=30.0, bound="under", rank="largest"),
            "b",
            "The largest of 3 found for “all lesions” under 30 mm (22 mm; next 20 mm, a close call).",
        ),
        (Meaning(level="upper"), "b", "The one found for “all lesions”, the uppermost of 4."),
        (Meaning(level="upper", negated="level"), "a", "The one found for “all lesions”, the lowermost of 4."),
        (Meaning(level="lower", plural=True), "ac", "Both found for “all lesions”, the lower half of 4."),
        (
            Meaning(level="upper", rank="largest"),
            "b",
            "The largest of 2 found for “all lesions”, the upper half of 4 (22 mm; next 8 mm).",
        ),
    ],
)
def test_words_choose_among_what_was_found(meaning, chosen, reason):
    assert ask(meaning) == (chosen, reason)


@pytest.mark.parametrize(
    ("meaning", "reason"),
    [
        (Meaning(rank="smallest"), "The only one found for “all lesions”, hence the smallest."),
        (Meaning("left"), "The one found for “all lesions in the left lobe”."),
        (Meaning(plural=True, count=2), "Asked for 2, 1 found for “all lesions”."),
        (Meaning(rank="largest", count=2), "Asked for the 2 largest, 1 found for “all lesions”."),
        (Meaning(level="upper"), "The one found for “all lesions” (how high it lies in the liver was not checked)."),
    ],
)
def test_one_alone_is_chosen_and_said_to_be_alone(meaning, reason):
    assert ask(meaning, "c") == ("c", reason)


@pytest.mark.parametrize("meaning", [Meaning(), Meaning(rank="largest"), Meaning(plural=True, count=2)])
def test_nothing_stays_nothing(meaning):
    assert ask(meaning, "") == ("", "Nothing was found for “all lesions”.")


def test_a_larger_one_is_chosen_only_among_those_as_sure():
    assert ask(Meaning("left"), "cb")[0] == "b"
    assert ask(Meaning("left"), "dc")[0] == "c"


def test_what_another_answer_covers_is_left_out_of_a_negated_type():
    meaning = Meaning(attenuation="cyst", negated="attenuation", rank="largest")
    reason = "The largest of 2 found for “all lesions” without “all cysts” (20 mm; next 8 mm)."
    assert ask(meaning, cyst="ab") == ("c", reason)
    assert ask(meaning, "ab", cyst="ab") == ("", "Nothing was found for “all lesions” without “all cysts”.")


def test_the_nearest_to_a_neighbour_is_chosen():
    reason = "The one found for “all lesions” nearest to “the largest lesion” (30 mm; next 50 mm between centres)."
    assert ask(Meaning(near=Meaning(rank="largest"))) == ("c", reason)
    reason = "The one found for “all lesions” nearest to “the cyst” (20 mm; next 30 mm between centres)."
    assert ask(Meaning(near=Meaning(attenuation="cyst")), cyst="c") == ("d", reason)


def test_without_a_neighbour_or_another_lesion_there_is_no_nearest():
    meaning = Meaning(near=Meaning(attenuation="cyst"))
    assert ask(meaning) == ("", "The neighbour is missing: nothing was found for “all cysts”.")
    assert ask(meaning, "a", cyst="a") == ("", "Nothing else was found for “all lesions” beside “the cyst”.")


UNCHECKED = "(how high it lies in the liver was not checked)"


@pytest.mark.parametrize(
    ("meaning", "chosen", "reason"),
    [
        (  # c is nearer to 20 mm, but b is higher up
            Meaning(size_mm=20.0, level="upper"),
            "b",
            "The one found for “all lesions” of about 20 mm, the uppermost of 2.",
        ),
        (  # b lies 50 mm away, d 20 mm and a 30 mm
            Meaning(level="upper", near=Meaning(attenuation="cyst")),
            "d",
            f"The one found for “all lesions” {UNCHECKED} nearest to “the cyst” (20 mm; next 30 mm between centres).",
        ),
        (  # the cyst is of that size too, and nearer to it
            Meaning(size_mm=20.0, near=Meaning(attenuation="cyst")),
            "b",
            "The one found for “all lesions” of about 20 mm nearest to “the cyst” (50 mm between centres).",
        ),
    ],
)
def test_no_condition_narrows_before_all_others_are_heard(meaning, chosen, reason):
    assert ask(meaning, cyst="c") == (chosen, reason)


@pytest.mark.parametrize(
    ("meaning", "chosen"), [(Meaning("right", level="upper"), 1), (Meaning(level="upper", plural=True), 2)]
)
def test_on_one_slice_no_lesion_is_the_upper_one(meaning, chosen):
    items = [component("a"), component("b")]
    items[1] = replace(items[1], lesion=replace(items[1].lesion, centroid_mm=items[0].lesion.centroid_mm))
    there, reason = choose(meaning, {canonical(meaning.slice_part()): Components(items, 0.99, SHAPE)})
    assert len(there) == chosen
    assert UNCHECKED in reason


@pytest.mark.parametrize("rank", ["darkest", "brightest"])
def test_a_lesion_without_intensities_is_last_in_rank(rank):
    unknown = component("c")
    items = [Component(unknown.box, unknown.inside, unknown.lesion, 20.0, float("nan"), 0.9), component("b")]
    chosen, _ = choose(Meaning(rank=rank), {"all lesions": Components(items, 0.9, SHAPE)})
    assert chosen == items[1:]


def test_the_network_is_asked_for_all_such_lesions_of_a_slice():
    asked = Meaning("right", "cyst", "largest", near=Meaning("left", rank="smallest"))
    assert [canonical(part) for part in parts(asked)] == ["all cysts in the right lobe", "all lesions in the left lobe"]
    negated = Meaning(attenuation="cyst", negated="attenuation")
    assert [canonical(part) for part in parts(negated)] == ["all lesions", "all cysts"]
    assert [canonical(part) for part in parts(Meaning("left", negated="side"))] == ["all lesions in the right lobe"]
