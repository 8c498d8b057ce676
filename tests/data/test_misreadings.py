# SPDX-License-Identifier: Apache-2.0
"""Words that seem to speak of the lesion and do not, beside words like them that do."""

import pytest

from lsms_monai.data.meaning import Meaning
from lsms_monai.data.normalization import normalize
from lsms_monai.data.parsing import parse

CYST = Meaning(attenuation="cyst")


def over(size_mm, **said):
    return Meaning(size_mm=size_mm, bound="over", **said)


def under(size_mm, **said):
    return Meaning(size_mm=size_mm, bound="under", **said)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("lesion no larger than 2 cm", under(20.0)),
        ("no larger than 2 cm lesion", under(20.0)),
        ("metastases no larger than 1 cm", under(10.0, attenuation="solid", plural=True)),
        ("lesion that is not larger than 2 cm", under(20.0)),
        ("lesion no more than 2 cm", under(20.0)),
        ("lesion of at most 2 cm", under(20.0)),
        ("lesions up to 2 cm", under(20.0, plural=True)),
        ("cyst no smaller than 2 cm", over(20.0, attenuation="cyst")),
        ("lesion not less than 2 cm", over(20.0)),
        ("lesion of at least 2 cm", over(20.0)),
        ("lesion bigger than 2 cm", over(20.0)),
    ],
)
def test_a_bound_may_be_said_by_its_contrary(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("lesion with no calcification", Meaning(attenuation="calcified", negated="attenuation")),
        ("lesion, no evidence of calcification", Meaning(attenuation="calcified", negated="attenuation")),
        ("hypodense lesion, no cyst", None),
        ("left lobe: no cyst", Meaning("left", "cyst", count=0)),
        ("no lesion with calcification", Meaning(attenuation="calcified", count=0)),
        ("no lesions larger than 2 cm", over(20.0, count=0)),
        ("lesion that isn't in the left lobe", Meaning("left", negated="side")),
        ("lesion that isn\u2019t in the left lobe", Meaning("left", negated="side")),
        ("lesions that aren't cysts", Meaning(attenuation="cyst", negated="attenuation", plural=True)),
    ],
)
def test_no_denies_the_whole_only_where_it_comes_first(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    ["lesion 2-3 cm", "3\u20134 cm cyst", "3/4 cm lesion", "lesion of 10 to 20 mm", "2 or 3 cm lesion", "2-5 mm cysts"],
)
def test_a_range_of_lengths_is_not_guessed(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (".5 cm lesion", Meaning(size_mm=5.0)),
        ("lesion 8*2 cm", Meaning(size_mm=40.0)),
        ("segments 2,3 lesion", Meaning("left")),
        ("lesions in segments 5,6,7", Meaning("right", plural=True)),
        ("lesion in segment 8-5", Meaning("right")),
        ("lesions in segments 2-8", None),
        ("segments 2/5 lesions", None),
        ("the two 3 cm lesions", Meaning(size_mm=30.0, plural=True, count=2)),
    ],
)
def test_each_number_belongs_to_its_size_segment_or_count(text, meaning):
    assert parse(text) == parse(normalize(text)) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "lesion #2",
        "lesion 2",
        "lesions 2",
        "lesions in slice 3",
        "slice 3 lesions",
        "top 3 lesions",
        "two cyst",
        "one of the largest",
    ],
)
def test_a_number_that_does_not_count_is_no_count(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("lesion right next to the cyst", Meaning(near=CYST)),
        ("lesion right beside the cyst", Meaning(near=CYST)),
        ("lesion right near the capsule", Meaning(capsule="subcapsular")),
        ("lesion on the right next to the cyst", Meaning("right", near=CYST)),
        ("lesion on the patient's right, next to the cyst", Meaning("right", near=CYST)),
        ("lesion in the posterior right next to the cyst", None),
        ("lesion on the right under the capsule", Meaning("right", capsule="subcapsular")),
        ("lesion in the right lobe under the dome", Meaning("right", level="upper")),
    ],
)
def test_right_is_a_side_only_where_it_is_not_just(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize("where", "at in on within inside under below beneath along abutting".split())
def test_right_before_where_may_be_just_or_a_side(where):
    assert parse(f"lesion right {where} the dome") is None


@pytest.mark.parametrize(
    "text",
    [
        "lesion on the left side of the image",
        "lesion on image left",
        "lesion on the left of the slice",
        "lesion at the top of the image",
        "lesion on the right of the cyst",
        "lesion on the right side of the cyst",
        "lesion at the edge of the cyst",
        "lesion in front of the cyst",
        "lesion in front of the dome",
    ],
)
def test_a_place_in_the_image_or_beside_another_lesion_is_none_in_the_liver(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "lesion 2 cm from the capsule",
        "lesion less than 1 cm from the dome",
        "lesion within 2 cm of the capsule",
        "lesion 3 cm deep",
        "lesion 3cm deep in the liver",
        "lesion 2 cm under the capsule",
    ],
)
def test_a_distance_is_not_taken_for_the_size(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("lesion, 3 cm, deep", Meaning(capsule="central", size_mm=30.0)),
        ("3 cm deep lesion", Meaning(capsule="central", size_mm=30.0)),
        ("lesion of 2 cm under the capsule", Meaning(capsule="subcapsular", size_mm=20.0)),
        ("lesion 2 cm in diameter, the darkest one", Meaning(rank="darkest", size_mm=20.0)),
    ],
)
def test_a_size_beside_a_place_stays_a_size(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "lesion with hypodense center",
        "lesion with central necrosis",
        "lesion with peripheral calcification",
        "lesion with a cyst",
        "nodule in a cyst",
        "lesion inside the largest cyst",
        "lesion in a hypodense liver",
        "lesions among the cysts",
        "middle-sized lesion",
    ],
)
def test_a_part_or_the_surroundings_do_not_describe_the_lesion(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("lesion with low density under the capsule", Meaning(attenuation="hypodense", capsule="subcapsular")),
        ("liver with cysts", Meaning(attenuation="cyst", plural=True)),
        ("in the liver, the largest cyst", Meaning(attenuation="cyst", rank="largest")),
        ("the largest one among the cysts", Meaning(attenuation="cyst", rank="largest")),
        ("the largest lesion in the image", Meaning(rank="largest")),
        ("lesion in the anterior part of the right lobe", Meaning("right", depth="anterior")),
    ],
)
def test_the_liver_and_its_places_still_may_surround_the_lesion(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize("text", ["hematoma", "haematomas", "carcinoid", "loculated lesion", "positive lesion"])
def test_another_diagnosis_or_word_is_no_slip_of_one_that_is_understood(text):
    assert parse(text) is None
