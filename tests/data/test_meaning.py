# SPDX-License-Identifier: Apache-2.0
import pytest

from lsms_monai.data.meaning import LesionAttributes, Meaning, every_meaning


def lesion(value, side="right", kind="hypodense", diameter_mm=20.0, hu=None):
    hu = {"cyst": 5.0, "hypodense": 50.0, "hyperdense": 150.0}[kind] if hu is None else hu
    return LesionAttributes(value, side, kind, hu, diameter_mm, (0.0, 0.0, 0.0))


LESIONS = [
    lesion(1, "right", "hypodense", 30.0),
    lesion(2, "right", "cyst", 12.0),
    lesion(3, "left", "hyperdense", 18.0),
    lesion(4, "left", "hyperdense", 8.0, hu=120.0),
]


@pytest.mark.parametrize(
    ("meaning", "values"),
    [
        (Meaning("right", "cyst"), (2,)),
        (Meaning(attenuation="cyst"), (2,)),
        (Meaning("right", rank="largest"), (1,)),
        (Meaning(rank="largest"), (1,)),
        (Meaning("left", "hyperdense", "smallest"), (4,)),
        (Meaning("right", rank="darkest"), (2,)),
        (Meaning("left", rank="brightest"), (3,)),
        (Meaning(plural=True), (1, 2, 3, 4)),
        (Meaning("right", plural=True), (1, 2)),
        (Meaning("left", "cyst"), ()),
        (Meaning("left", "hypodense", plural=True), ()),
    ],
)
def test_an_expression_means_the_lesions_that_fit(meaning, values):
    assert meaning.resolve(LESIONS) == values


def test_a_cyst_is_hypodense_but_not_the_other_way_round():
    assert Meaning("right", "hypodense", plural=True).resolve(LESIONS) == (1, 2)
    assert Meaning("right", "cyst", plural=True).resolve(LESIONS) is None


@pytest.mark.parametrize("meaning", [Meaning(), Meaning("right"), Meaning(attenuation="hyperdense")])
def test_one_lesion_of_several_alike_is_a_coin_toss(meaning):
    assert meaning.resolve(LESIONS) is None


@pytest.mark.parametrize(("smaller_mm", "values"), [(20.0, (1,)), (20.5, None)])
def test_the_larger_must_be_half_as_large_again(smaller_mm, values):
    lesions = [lesion(1, diameter_mm=30.0), lesion(2, diameter_mm=smaller_mm)]
    assert Meaning(rank="largest").resolve(lesions) == values
    assert (Meaning(rank="smallest").resolve(lesions) is None) == (values is None)


@pytest.mark.parametrize(("hu", "values"), [(65.0, (1,)), (64.0, None)])
def test_the_darker_must_be_so_by_fifteen_hu(hu, values):
    assert Meaning(rank="darkest").resolve([lesion(1, hu=50.0), lesion(2, hu=hu)]) == values


@pytest.mark.parametrize("meaning", [Meaning(rank="largest"), Meaning(plural=True)])
def test_one_lesion_alone_is_neither_the_largest_nor_all(meaning):
    assert meaning.resolve(LESIONS[:1]) is None


@pytest.mark.parametrize("meaning", every_meaning())
def test_without_lesions_every_expression_means_nothing(meaning):
    assert meaning.resolve([]) == ()


def test_no_meaning_contradicts_itself():
    meanings = every_meaning()
    assert len(meanings) == len(set(meanings))
    assert Meaning(None, "hyperdense", "darkest") not in meanings
