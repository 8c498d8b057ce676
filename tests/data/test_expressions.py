# SPDX-License-Identifier: Apache-2.0
import re
from collections import Counter

import numpy as np
import pytest

from lsms_monai.data import Meaning, sample_expressions, word
from lsms_monai.data import vocabulary as say
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import LesionAttributes

PLACES = {
    "side": ("right", "left", None),
    "depth": ("anterior", "posterior", None),
    "capsule": ("subcapsular", "central", None),
    "level": ("upper", "lower", None),
}
KINDS = {"cyst": 5.0, "hypodense": 50.0, "hyperdense": 150.0, "rim": 40.0, "calcified": 300.0}


def random_lesions(generator, num_lesions):
    lesions = []
    for value in range(1, num_lesions + 1):
        kind = str(generator.choice(list(KINDS)))
        place = {name: values[generator.integers(3)] for name, values in PLACES.items()}
        diameter = float(np.exp(generator.uniform(np.log(5), np.log(90))))
        centroid = tuple(generator.uniform(-80, 80, 3))
        lesions.append(
            LesionAttributes(value, kind=kind, hu=KINDS[kind], diameter_mm=diameter, centroid_mm=centroid, **place)
        )
    return lesions


def drawn(num_images=150, held_out=False, **kwargs):
    """(lesions, expression) of many images."""
    generator = np.random.default_rng(held_out)
    for _ in range(num_images):
        lesions = random_lesions(generator, int(generator.integers(1, 6)))
        for expression in sample_expressions(lesions, generator, 4, held_out=held_out, **kwargs):
            yield lesions, expression


def wordings(meaning, count=3, times=200, held_out=False):
    generator = np.random.default_rng(0)
    return {word(meaning, count, generator, held_out=held_out).lower().rstrip(".") for _ in range(times)}


def tokens(text):
    return set(re.findall(r"[a-z]+", text.lower()))


@pytest.mark.parametrize("held_out", [False, True])
def test_every_expression_means_what_it_says(held_out):
    for lesions, expression in drawn(held_out=held_out):
        assert expression.label_value == expression.meaning.resolve(lesions)
        assert set(expression.label_value) <= {lesion.value for lesion in lesions}


def test_one_several_and_none_are_meant_about_as_often_as_promised():
    counts = Counter(min(len(expression.label_value), 2) for lesions, expression in drawn(300) if len(lesions) > 1)
    rates = {number: count / sum(counts.values()) for number, count in counts.items()}
    assert rates[0] == pytest.approx(0.12, abs=0.04)
    assert rates[2] == pytest.approx(0.15, abs=0.05)


@pytest.mark.parametrize(
    "attribute", ["side", "attenuation", "depth", "capsule", "level", "size_mm", "negated", "near"]
)
def test_every_attribute_is_said_at_times(attribute):
    assert any(getattr(expression.meaning, attribute) for _, expression in drawn(200))


def test_without_pixel_size_no_size_is_said():
    expressions = [expression for _, expression in drawn(200, in_mm=False)]
    assert not [e.text for e in expressions if e.meaning.size_mm or re.search(r"\d ?(mm|cm)", e.text)]


@pytest.mark.parametrize("name", ["side", "depth", "capsule", "level"])
def test_what_nobody_knows_is_never_said(name):
    generator = np.random.default_rng(3)
    lesions = [
        LesionAttributes(value, **{"side": "left", name: None}, kind="cyst", hu=5.0, diameter_mm=9.0 * value**2,
                         centroid_mm=(0.0, 0.0, 9.0 * value)) for value in (1, 2, 3)
    ]  # fmt: skip
    for _ in range(50):
        for expression in sample_expressions(lesions, generator, 4):
            said = getattr(expression.meaning, name)
            assert said is None or (not expression.label_value and expression.meaning.attenuation != "cyst")


def test_expressions_of_one_image_differ_in_meaning():
    lesions = random_lesions(np.random.default_rng(0), 5)
    expressions = sample_expressions(lesions, np.random.default_rng(0), 8)
    assert len({expression.meaning for expression in expressions}) == 8


def test_without_lesions_all_expressions_mean_nothing():
    expressions = sample_expressions([], np.random.default_rng(0), 5)
    assert [expression.label_value for expression in expressions] == [()] * 5


def test_the_same_generator_state_gives_the_same_words():
    lesions = random_lesions(np.random.default_rng(0), 3)
    first, again = (sample_expressions(lesions, np.random.default_rng(7), 5) for _ in range(2))
    assert first == again


def test_training_never_hears_a_word_kept_for_testing():
    known = set().union(*(tokens(expression.text) for _, expression in drawn(250)))
    kept = {
        "finding",
        "neoplasm",
        "hepatoma",
        "necrotic",
        "radiodense",
        "sizeable",
        "littlest",
        "hemiliver",
        "solitary",
    }
    assert not known & kept
    assert kept - {"solitary"} < set().union(*(tokens(expression.text) for _, expression in drawn(250, held_out=True)))


def test_held_out_wordings_never_occur_in_training():
    for meaning in (Meaning("left", "hypodense", "largest"), Meaning("right", "cyst"), Meaning(depth="posterior")):
        assert not wordings(meaning, times=1000) & wordings(meaning, times=1000, held_out=True)


def test_plain_wording_is_said_often():
    texts = [(expression.text, canonical(expression.meaning)) for _, expression in drawn()]
    assert np.mean([text == plain for text, plain in texts]) > 0.25


def test_one_in_five_expressions_is_what_the_predictor_asks():
    texts = [(expression.text, canonical(expression.meaning.slice_part())) for _, expression in drawn()]
    assert np.mean([text == asked for text, asked in texts]) > 0.2


def test_wording_is_varied():
    texts = wordings(Meaning("left", "hypodense", "largest"), times=300)
    assert len(texts) > 150
    assert any(text.startswith("the ") for text in texts)
    assert any(not text.startswith("the ") for text in texts)


def test_two_are_compared_and_more_ranked():
    assert any("larger" in text for text in wordings(Meaning(rank="largest"), 2))
    assert not any("larger" in text for text in wordings(Meaning(rank="largest"), 3))


def test_both_is_said_of_two_only():
    assert any("both" in text for text in wordings(Meaning(plural=True, count=2)))
    assert not any("both" in text for text in wordings(Meaning(plural=True)) | wordings(Meaning(plural=True, count=3)))


@pytest.mark.parametrize("side", ["right", "left", None])
@pytest.mark.parametrize("held_out", [False, True])
def test_the_side_is_said_if_and_only_if_it_is_meant(side, held_out):
    for text in wordings(Meaning(side, "cyst"), held_out=held_out):
        assert tokens(text) & {"right", "left"} == ({side} if side else set())


@pytest.mark.parametrize("held_out", [False, True])
def test_no_wording_is_misspaced(held_out):
    for _, expression in drawn(held_out=held_out):
        text = expression.text
        assert text == text.strip()
        assert not re.search(r"  | ,|\bthe the\b|,,|\{|/", text, re.IGNORECASE), text


def test_no_synonym_is_both_heard_and_kept_for_testing():
    tables = [
        table for table in vars(say).values() if isinstance(table, dict) and table is not vars(say)["__builtins__"]
    ]
    entries = [entry for table in tables for entry in table.values() if isinstance(entry, say.Words)]
    assert len(entries) > 40
    assert not [entry for entry in entries if set(entry.known) & set(entry.held_out)]
