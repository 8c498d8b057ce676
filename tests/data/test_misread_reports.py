# SPDX-License-Identifier: Apache-2.0
"""Phrases of reports and dictation whose words are all known: read rightly, or not at all."""

import pytest

from lsms_monai.data.meaning import Meaning
from lsms_monai.data.parsing import parse
from lsms_monai.resolution import plan

CYST = Meaning(attenuation="cyst")


@pytest.mark.parametrize(
    "text",
    [
        # a place under something is no bound of a size, and a bound without a size none
        "1.5 cm nodule over the dome",
        "at least two lesions larger than 1 cm",
        "lesion larger than the 2 cm cyst",
        # the primary tumour is not where the lesion is
        "colon cancer metastases in the liver",
        "liver metastasis of pancreatic carcinoma",
        "lesion on the gallbladder side of the liver",
        # how many there are, beside which of them is meant
        "three hypodense lesions, the largest in segment 7",
        "two cysts in the left lobe, the larger one",
        # denials
        "there isn't a cyst in the left lobe",
        "there are not any cysts in the liver",
        "liver without cysts",
        "No mass. Cyst, left lobe.",
        "no metastases; 2 cm lesion in segment 7",
        # orders that are none
        "the largest lesion in the upper third of the right lobe",
        "largest lesion of the fourth segment",
        "the second largest lesion, 2.5 cm",
        # segments that share no side, or are denied by words that would deny more
        "lesion in segment IVa/VIII",
        "lesions in segments II and VII",
        "all lesions outside segment IV",
        "lesion that isn't in segment 4",
        # what is dark or bright in the middle or at the edge of the lesion
        "centrally necrotic mass in the right lobe",
        "peripherally calcified lesion",
        "lesion calcified centrally",
        # a distance
        "cyst located 15 mm below the dome",
        "lesion less than 1 cm under the capsule",
        "lesion  2 cm deep",
        # a part
        "the necrotic part of the largest tumor",
        "part of the lesion",
        # beside a place, or at one that is another one
        "lesion adjacent to the left lobe",
        "lesion next to both cysts",
        "cyst at the tip of the left lobe",
        "right middle lobe nodule",
        "right lower lobe nodule",
        "calcified granuloma left lower lobe",
        "solid nodule, right upper lobe",
        "mass involving both lobes",
        # an item of a list, and words that only look like ours
        "3. hypodense lesions in the right lobe",
        "mass centred in the right lobe",
        "carcinoids in the right lobe",
    ],
)
def test_what_would_be_misread_is_not_understood(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("2 cm lesion under the diaphragm", Meaning(level="upper", size_mm=20.0)),
        ("1.5 cm nodule under the liver capsule", Meaning(capsule="subcapsular", size_mm=15.0)),
        ("the larger of both cysts", Meaning(attenuation="cyst", rank="largest")),
        ("the largest of all lesions", Meaning(rank="largest")),
        ("lesion enhancing peripherally", Meaning(attenuation="rim")),
        ("2\u00b73 cm lesion", Meaning(size_mm=23.0)),
        ("please segment 2 cysts", Meaning(attenuation="cyst", plural=True, count=2)),
        ("segment 2 largest lesions", Meaning(rank="largest", count=2)),
        ("only the largest lesion", Meaning(rank="largest")),
        ("segment only the cysts", Meaning(attenuation="cyst", plural=True)),
        ("the only cyst", Meaning(attenuation="cyst", count=1)),
        ("any lesion in the left lobe", Meaning("left", plural=True)),
        ("are there any metastases?", Meaning(attenuation="solid", plural=True)),
        ("the largest lesion in this image", Meaning(rank="largest")),
        ("where is the cyst", CYST),
        ("lesions 2 cm or larger", Meaning(size_mm=20.0, bound="over", plural=True)),
        ("lesion larger than or equal to 1 cm", Meaning(size_mm=10.0, bound="over")),
        ("S5/S8 lesion", Meaning("right", depth="anterior")),
        ("seg-7 lesion", Meaning("right", depth="posterior", level="upper")),
        ("R lobe lesion", Meaning("right")),
        ("L hepatic lobe cyst", Meaning("left", "cyst")),
        ("cysts in both hepatic lobes", Meaning(attenuation="cyst", plural=True)),
        ("bilobar metastases", Meaning(attenuation="solid", plural=True)),
        ("lesion(s) of 2 cms", Meaning(size_mm=20.0, plural=True)),
        ("sub-cm lesion", Meaning(size_mm=10.0, bound="under")),
        ("lesion measures 2 cm", Meaning(size_mm=20.0)),
        ("FINDINGS: cyst in left lobe", Meaning("left", "cyst")),
        ("Impression: two cysts", Meaning(attenuation="cyst", plural=True, count=2)),
        ("of the lesions, the one in the left lobe", Meaning("left")),
        ("among the cysts, the ones in the left lobe", Meaning("left", "cyst", plural=True)),
        ("haemangiomata", Meaning(attenuation="solid", plural=True)),
    ],
)
def test_what_is_common_is_understood(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text", ["the largest lesion (excluding cysts) in the left lobe", "all lesions, except the cyst, in the right lobe"]
)
def test_a_place_after_an_inserted_exception_is_not_taken_for_part_of_it(text):
    assert plan(text).meaning is None


def test_an_exception_may_be_those_of_a_place():
    asked = plan("all lesions excluding those in the left lobe")
    assert (asked.meaning, asked.exception) == (Meaning(plural=True), Meaning("left", plural=True))
    assert plan("all lesions except the one in segment 4").meaning is None


@pytest.mark.parametrize("text", ["no cyst except the one in the left lobe", "no lesion other than the cyst"])
def test_what_is_left_of_a_denial_is_not_denied(text):
    assert plan(text).meaning is None
