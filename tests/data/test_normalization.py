# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lsms_monai.data import sample_expressions
from lsms_monai.data.normalization import normalize, unknown_words


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  The  LARGEST lesion.", "the largest lesion"),
        ("Right lobe: low-density mass", "right lobe low density mass"),
        ("hypo-dense / hyper attenuating", "hypodense hyperattenuating"),
        ("sub\u2010capsular lesion", "subcapsular lesion"),
        ("the patient\u2019s left", "the patient left"),
        ("HCC and mets", "hepatocellular carcinoma and metastases"),
        ("rt. lobe, ant. lesion w/ enh", "right lobe anterior lesion with enhancing"),
        ("non-calcified cyst", "not calcified cyst"),
        ("2.3 cm cyst", "23 mm cyst"),
        ("2,3cm cyst", "23 mm cyst"),
        ("15-mm cyst", "15 mm cyst"),
        ("12 millimetres", "12 mm"),
        ("4 x 1 cm mass", "20 mm mass"),
        ("40 mm \u00d7 10 mm mass", "20 mm mass"),
        ("2 cm x 15 mm mass", "2 cm x 15 mm mass"),
        ("4*1 cm mass", "20 mm mass"),
        (".5 cm mass", "5 mm mass"),
        ("mass,5 cm", "mass 50 mm"),
        ("2-3 cm mass", "20 mm to 30 mm mass"),
        ("8/2 x 2 cm mass", "80 mm to 20 mm mass"),
        ("10 or 20 mm mass", "10 mm to 20 mm mass"),
        ("it isn\u2019t and wasn't", "it is not and was not"),
        ("lesions > 2 cm", "lesions larger than 20 mm"),
        ("lesions \u2264 5 mm", "lesions smaller than 5 mm"),
        ("sub-centimeter lesion", "smaller than 10 mm lesion"),
    ],
)
def test_spellings_become_one(text, normal):
    assert normalize(text) == normalize(normal) == normal


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("segment VII", "posterior upper right lobe"),
        ("seg. 6", "posterior lower right lobe"),
        ("S8", "anterior upper right lobe"),
        ("Couinaud segment V", "anterior lower right lobe"),
        ("segment II", "upper left lobe"),
        ("segment IVa", "upper left lobe"),
        ("segment IVa/b", "left lobe"),
        ("segments 5/6", "lower right lobe"),
        ("segments VI and VII", "posterior right lobe"),
        ("segments V-VIII", "right lobe"),
        ("segments  II,III", "left lobe"),
        ("segments VIII-V", "right lobe"),
        ("segment IV/V", "segment 4 and 5"),
        ("segments 2-5", "segment 2 and 3 and 4 and 5"),
        ("segment I", "segment 1"),
        ("segment 2 cm cyst", "segment 20 mm cyst"),
        ("segment the cyst", "segment the cyst"),
    ],
)
def test_segments_become_the_place_that_they_share(text, words):
    assert normalize(text) == normalize(words) == words


@pytest.mark.parametrize(
    ("slip", "word"),
    [
        ("lession", "lesion"),
        ("rigth", "right"),
        ("hypodence", "hypodense"),
        ("hyperdence", "hyperdense"),
        ("hypoattentuating", "hypoattenuating"),
        ("largset", "largest"),
        ("metastsis", "metastasis"),
        ("calcifed", "calcified"),
        ("subcapsullar", "subcapsular"),
        ("posteror", "posterior"),
    ],
)
def test_slips_of_the_pen_are_mended(slip, word):
    assert normalize(f"the {slip}") == f"the {word}"


@pytest.mark.parametrize(
    "word",
    "light eight fight night lift lest interior smell region darts hematoma haematomas excluding extending among sized "
    "positive besides loculated carcinoid".split(),
)
def test_other_words_stay_as_they_are(word):
    assert normalize(f"the {word} lesion") == f"the {word} lesion"


def test_no_slip_turns_dark_into_bright():
    for slip in ("hypodnse", "hypdense", "hypodesne", "hypoatenuating", "hypoenhancin"):
        assert not normalize(slip).startswith("hyper")
    for slip in ("hyperdnse", "hyperdesne", "hyperatenuating", "hyperenhancin"):
        assert not normalize(slip).startswith("hypod")


@pytest.mark.parametrize("held_out", [False, True])
def test_what_is_normal_stays_so(held_out):
    generator = np.random.default_rng(0)
    for expression in (e for _ in range(50) for e in sample_expressions([], generator, 8, held_out=held_out)):
        assert normalize(normalize(expression.text)) == normalize(expression.text)


def test_what_training_hears_is_known():
    generator = np.random.default_rng(1)
    for expression in (e for _ in range(100) for e in sample_expressions([], generator, 8)):
        assert unknown_words(expression.text) == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("the spiculated lesion, spiculated indeed, in the left lobe", ["spiculated", "indeed"]),
        ("2.3 cm lession of the right lobe", []),
        ("the necrotic finding", ["necrotic", "finding"]),
        ("L\u00e4sion", []),
        ("", []),
    ],
)
def test_words_that_training_never_heard_are_named_once(text, unknown):
    assert unknown_words(text) == unknown
