# SPDX-License-Identifier: Apache-2.0
import re

import numpy as np
import pytest

from lsms_monai.data import Meaning, phantom, sample_expressions, word
from lsms_monai.data.meaning import every_meaning


def wordings(meaning, count, times=200):
    generator = np.random.default_rng(0)
    return {word(meaning, count, generator).lower().rstrip(".") for _ in range(times)}


@pytest.mark.parametrize("meaning", every_meaning(), ids=str)
def test_the_side_is_said_if_and_only_if_it_is_meant(meaning):
    for text in wordings(meaning, 2, times=40):
        said = set(re.findall(r"\b(right|left)\b", text))
        assert said == ({meaning.side} if meaning.side else set())


@pytest.mark.parametrize("kind", ["hypodense", "hyperdense", "cyst"])
def test_the_attenuation_is_always_said(kind):
    words = {"hypodense": "hypo|low|dark", "hyperdense": "hyper|high|bright|enhanc", "cyst": "cyst|fluid|water"}
    assert all(re.search(words[kind], text) for text in wordings(Meaning(attenuation=kind), 1))


def test_two_are_compared_and_more_ranked():
    assert any("larger" in text for text in wordings(Meaning(rank="largest"), 2))
    assert not any("larger" in text for text in wordings(Meaning(rank="largest"), 3))
    assert not any("both" in text or "two" in text for text in wordings(Meaning(plural=True), 3))
    assert any("all three" in text for text in wordings(Meaning(plural=True), 3))


def test_wording_is_varied():
    texts = wordings(Meaning("left", "hypodense", "largest"), 3, times=300)
    assert len(texts) > 200
    assert any(text.startswith("the ") for text in texts)
    assert any(not text.startswith("the ") for text in texts)


def test_no_wording_is_misspaced():
    for meaning in every_meaning():
        for text in wordings(meaning, 2, times=20):
            assert text == text.strip()
            assert "  " not in text
            assert " ," not in text
            assert "the the" not in text


def test_every_expression_of_a_phantom_means_what_the_datalist_will_say():
    for seed in range(30):
        lesions = phantom(seed, shape=(80, 80, 1), spacing=(4.0, 4.0, 5.0)).lesions
        for expression in sample_expressions(lesions, np.random.default_rng(seed), 4):
            assert expression.label_value == expression.meaning.resolve(lesions)
            assert set(expression.label_value) <= {lesion.value for lesion in lesions}


def test_expressions_of_one_image_differ_in_meaning():
    lesions = phantom(0, num_lesions=4).lesions
    expressions = sample_expressions(lesions, np.random.default_rng(0), 8)
    assert len({expression.meaning for expression in expressions}) == 8


def test_without_lesions_all_expressions_mean_nothing():
    expressions = sample_expressions([], np.random.default_rng(0), 5)
    assert [expression.label_value for expression in expressions] == [()] * 5


def test_the_same_generator_state_gives_the_same_words():
    lesions = phantom(0, num_lesions=3).lesions
    first, again = (sample_expressions(lesions, np.random.default_rng(7), 5) for _ in range(2))
    assert first == again
