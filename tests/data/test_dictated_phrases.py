# SPDX-License-Identifier: Apache-2.0
"""Phrases as they are dictated and typed: either read as they are meant, or refused."""

import pytest

from lsms_monai.data.meaning import Meaning
from lsms_monai.data.parsing import parse
from lsms_monai.resolution import plan

SOLID_HYPODENSE = "solid hypodense"
ALL = Meaning(plural=True)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("mass measuring up to 32 mm", Meaning(size_mm=32.0)),
        ("cyst up to 12 mm in the left lobe", Meaning("left", "cyst", size_mm=12.0)),
        ("lesions up to 2 cm", Meaning(size_mm=20.0, bound="under", plural=True)),
        ("no lesion up to 2 cm", Meaning(size_mm=20.0, bound="under", count=0)),
        ("hypodense enhancing lesion", Meaning(attenuation=SOLID_HYPODENSE)),
        ("hypodense lesion with enhancement", Meaning(attenuation=SOLID_HYPODENSE)),
        ("hypodense lesion with rim enhancement", Meaning(attenuation="rim")),
        ("bilobar HCC", Meaning(attenuation="solid", plural=True)),
        ("metastasis in both lobes", Meaning(attenuation="solid", plural=True)),
        ("the largest lesion in either lobe", Meaning(rank="largest")),
        ("right lobe only", Meaning("right", plural=True)),
        ("only subcapsular", Meaning(capsule="subcapsular", plural=True)),
        ("only the cyst", Meaning(attenuation="cyst", count=1)),
        ("mark any cyst", Meaning(attenuation="cyst", plural=True)),
        ("lesion without any calcification", Meaning(attenuation="calcified", negated="attenuation")),
        ("no evidence of any cyst", Meaning(attenuation="cyst", count=0)),
        ("any lesion over 1 cm", Meaning(size_mm=10.0, bound="over", plural=True)),
        ("everything in the right lobe", Meaning("right", plural=True)),
        ("innumerable cysts", Meaning(attenuation="cyst", plural=True)),
        ("lesions 2 cm+", Meaning(size_mm=20.0, bound="over", plural=True)),
        ("lesions above 3 cm", Meaning(size_mm=30.0, bound="over", plural=True)),
        ("lesions below 1 cm", Meaning(size_mm=10.0, bound="under", plural=True)),
        ("ca. 3 cm lesion", Meaning(size_mm=30.0)),
        ("lesion of almost 3 cm", Meaning(size_mm=30.0)),
        ("lesion, largest diameter 1.6 cm", Meaning(size_mm=16.0)),
        ("lesion of 3 cm in its greatest dimension", Meaning(size_mm=30.0)),
        ("3 x 2 cm mass", Meaning(size_mm=24.5)),
        ("the smaller of the pair of lesions", Meaning(rank="smallest")),
        ("mass in the right lobe, no cysts", Meaning("right", "cyst", negated="attenuation")),
        ("the lesion close to the cyst", Meaning(near=Meaning(attenuation="cyst"))),
        ("the lesion touching the largest lesion", Meaning(near=Meaning(rank="largest"))),
        ("lesion nearest the capsule", Meaning(capsule="subcapsular")),
        ("lesion right close to the cyst", Meaning(near=Meaning(attenuation="cyst"))),
        ("Findings:\n2 cm cyst in the left lobe", Meaning("left", "cyst", size_mm=20.0)),
        ("no lesion in any lobe", Meaning(count=0)),
        ("no cyst in any part of the liver", Meaning(attenuation="cyst", count=0)),
        ("hypoatt. focus", Meaning(attenuation="hypodense")),
        ("FNH in the left lobe", Meaning("left", "solid")),
        ("no cysts, no metastases", None),
    ],
)
def test_what_is_dictated_is_read_as_it_is_meant(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        # a part of the lesion, and its own capsule
        "lesion dark in the center",
        "mass with calcification in the centre",
        "lesion enhancing at the periphery",
        "lesion, bright margin",
        "mass, central calcification",
        "lesion edge",
        "HCC with a capsule",
        "HCC without capsule",
        "no capsule",
        # two findings, or more than one sentence can say
        "2 cm mass. Cyst in segment 4.",
        "Cyst left lobe; mass 2 cm",
        "2 cm mass\nCyst in the left lobe",
        "known cysts, lesion in segment 8",
        "cyst & mass",
        "two lesions, one in the right lobe",
        "lesions, one calcified",
        "no mass, cyst left lobe",
        "no focal lesion, simple cyst in the left lobe",
        "no, the left one",
        # two of 10 mm are meant
        "2 x 1 cm cysts",
        "3 x 10mm liver mets",
        # whose place is it?
        "all lesions, not the cysts in the left lobe",
        "all lesions, not just the cysts",
        "the lesion next to the liver",
        "lesion near segment 8",
        "lesion close to segment 7",
        # questions, what is not there, a name
        "is the largest lesion a cyst?",
        "the largest one, right?",
        "mass not seen in the left lobe",
        "lesion A",
    ],
)
def test_what_means_something_else_is_refused(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meaning", "exception"),
    [
        ("all lesions excluding left lobe", ALL, Meaning("left", plural=True)),
        ("all lesions except hypodense", ALL, Meaning(attenuation="hypodense", plural=True)),
        ("all lesions except < 1 cm", ALL, Meaning(size_mm=10.0, bound="under", plural=True)),
        ("all lesions except the largest", ALL, Meaning(rank="largest")),
        ("all lesions except the one in the left lobe", ALL, Meaning("left")),
        ("all lesions except the cysts in the left lobe", ALL, Meaning("left", "cyst", plural=True)),
        ("Cyst in the left lobe. All lesions other than the cyst.", None, None),
        ("lesions other than cysts in the right lobe", None, None),
        ("all lesions except cysts on the right side", None, None),
        ("all lesions except small", None, None),
    ],
)
def test_an_exception_leaves_out_all_of_its_kind(text, meaning, exception):
    assert (plan(text).meaning, plan(text).exception) == (meaning, exception)
