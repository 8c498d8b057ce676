# SPDX-License-Identifier: Apache-2.0
import pytest

from lsms_monai.data.meaning import ATTENUATIONS, LesionAttributes, Meaning

HU = {"cyst": 5.0, "hypodense": 50.0, "hyperdense": 150.0, "rim": 40.0, "calcified": 300.0}


def lesion(value, side="right", kind="hypodense", diameter_mm=20.0, hu=None, x=0.0, **place):
    return LesionAttributes(value, side, kind, HU[kind] if hu is None else hu, diameter_mm, (x, 0.0, 0.0), **place)


LESIONS = [
    lesion(1, "right", "hypodense", 30.0, depth="anterior", capsule="central", level="upper", x=60.0),
    lesion(2, "right", "cyst", 12.0, depth="posterior", capsule="subcapsular", level="lower", x=40.0),
    lesion(3, "left", "hyperdense", 18.0, depth="anterior", capsule="subcapsular", level="lower", x=-30.0),
    lesion(4, "left", "hyperdense", 8.0, hu=120.0, depth="anterior", capsule="central", level="upper", x=-50.0),
]


@pytest.mark.parametrize(
    ("meaning", "values"),
    [
        (Meaning(), (1, 2, 3, 4)),
        (Meaning(plural=True), (1, 2, 3, 4)),
        (Meaning("right", "cyst"), (2,)),
        (Meaning("right", rank="largest"), (1,)),
        (Meaning("left", "hyperdense", "smallest"), (4,)),
        (Meaning("right", rank="darkest"), (2,)),
        (Meaning("left", rank="brightest"), (3,)),
        (Meaning("right", plural=True), (1, 2)),
        (Meaning("right", plural=True, count=2), (1, 2)),
        (Meaning("right", plural=True, count=3), None),
        (Meaning("left", "cyst"), ()),
        (Meaning("left", "hypodense", plural=True), ()),
        (Meaning(depth="posterior"), (2,)),
        (Meaning("left", capsule="central"), (4,)),
        (Meaning(depth="anterior", level="lower"), (3,)),
        (Meaning(size_mm=30.0), (1,)),
        (Meaning(size_mm=25.0, bound="over"), (1,)),
        (Meaning(size_mm=10.0, bound="under"), (4,)),
        (Meaning(size_mm=11.0, bound="under"), None),
        (Meaning(size_mm=60.0), ()),
        (Meaning("left", attenuation="hyperdense", negated="side"), ()),
        (Meaning("left", plural=True, negated="side"), (1, 2)),
        (Meaning("left", depth="posterior", negated="depth", rank="largest"), (3,)),
        (Meaning(near=Meaning(rank="largest")), (2,)),
        (Meaning("left", near=Meaning(rank="largest")), None),
        (Meaning("left", near=Meaning(attenuation="cyst")), (3,)),
        (Meaning("left", near=Meaning(attenuation="calcified")), ()),
        (Meaning("left", near=Meaning("left")), None),
        (Meaning(organ="spleen"), ()),
        (Meaning(count=0), ()),
        (Meaning(count=1), None),
    ],
)
def test_an_expression_means_the_lesions_that_fit(meaning, values):
    assert meaning.resolve(LESIONS) == values


@pytest.mark.parametrize(
    ("meaning", "values"),
    [
        (Meaning(rank="largest", order=2), (2,)),
        (Meaning(rank="largest", order=3), (3,)),
        (Meaning(rank="largest", count=2), (1, 2)),
        (Meaning(rank="smallest", count=3), (2, 3, 4)),
        (Meaning(rank="largest", count=4), (1, 2, 3, 4)),
        (Meaning(rank="largest", order=5), None),
    ],
)
def test_ranks_are_counted_from_the_first(meaning, values):
    ranked = [lesion(number, diameter_mm=size) for number, size in enumerate((90.0, 50.0, 30.0, 16.0), 1)]
    assert meaning.resolve(ranked) == values


def test_places_in_a_rank_must_be_apart_on_both_sides():
    ranked = [lesion(number, diameter_mm=size) for number, size in enumerate((90.0, 50.0, 40.0), 1)]
    assert Meaning(rank="largest").resolve(ranked) == (1,)
    assert Meaning(rank="largest", order=2).resolve(ranked) is None
    assert Meaning(rank="largest", count=2).resolve(ranked) is None


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("hypodense", ["cyst", "hypodense", "rim"]),
        ("hyperdense", ["calcified", "hyperdense"]),
        ("cyst", ["cyst"]),
        ("calcified", ["calcified"]),
        ("rim", ["rim"]),
    ],
)
def test_a_kind_of_lesion_may_be_called_by_several_names(said, kinds):
    lesions = [lesion(number, kind=kind) for number, kind in enumerate(sorted(HU), 1)]
    values = Meaning(attenuation=said, plural=True).resolve(lesions)
    assert [lesions[value - 1].kind for value in values] == kinds


@pytest.mark.parametrize("said", ["hypervascular", "solid"])
def test_where_nobody_can_tell_the_kind_nothing_is_meant(said):
    unsure = lesion(1, kind=ATTENUATIONS[said][1][0])
    assert Meaning(attenuation=said).resolve([unsure, lesion(2, kind="cyst")]) is None
    assert Meaning("left", attenuation=said).resolve([unsure]) == ()


@pytest.mark.parametrize("name", ["side", "depth", "capsule", "level"])
def test_an_attribute_that_nobody_knows_makes_words_about_it_ambiguous(name):
    unknown = lesion(1, **{"side": "right", name: None})
    said = {"side": "left", "depth": "anterior", "capsule": "central", "level": "upper"}[name]
    assert Meaning(**{name: said}).resolve([unknown]) is None
    assert Meaning(**{name: said}, negated=name).resolve([unknown]) is None
    assert Meaning(**{name: said}, attenuation="cyst").resolve([unknown]) == ()
    assert Meaning(rank="largest").resolve([unknown]) == (1,)


@pytest.mark.parametrize("meaning", [Meaning("right"), Meaning(attenuation="hyperdense"), Meaning(depth="anterior")])
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


@pytest.mark.parametrize(
    ("diameter_mm", "values"), [(24.0, (1,)), (25.0, None), (29.0, None), (30.0, ()), (16.0, None)]
)
def test_a_size_in_mm_fits_within_a_fifth_and_fails_beyond_a_half(diameter_mm, values):
    assert Meaning(size_mm=20.0).resolve([lesion(1, diameter_mm=diameter_mm)]) == values


@pytest.mark.parametrize(("x", "values"), [(25.0, (2,)), (24.0, None)])
def test_the_nearest_must_be_clearly_nearer(x, values):
    lesions = [lesion(1, kind="cyst"), lesion(2, x=20.0), lesion(3, x=-x)]
    assert Meaning(near=Meaning(attenuation="cyst")).resolve(lesions) == values


@pytest.mark.parametrize("meaning", [Meaning(rank="largest"), Meaning(plural=True), Meaning("right"), Meaning(count=1)])
def test_one_lesion_alone_is_the_largest_and_all(meaning):
    assert meaning.resolve(LESIONS[:1]) == (1,)


@pytest.mark.parametrize("meaning", [Meaning(), Meaning("left", rank="largest"), Meaning(near=Meaning(rank="largest"))])
def test_without_lesions_every_expression_means_nothing(meaning):
    assert meaning.resolve([]) == ()


@pytest.mark.parametrize(
    ("meaning", "part", "needs_volume"),
    [
        (Meaning("right", "cyst"), Meaning("right", "cyst", plural=True), False),
        (Meaning("right", rank="largest"), Meaning("right", plural=True), True),
        (Meaning(plural=True, count=2), Meaning(plural=True), True),
        (Meaning(attenuation="cyst", size_mm=20.0), Meaning(attenuation="cyst", plural=True), True),
        (Meaning("left", near=Meaning(rank="largest")), Meaning("left", plural=True), True),
        (Meaning(depth="anterior", level="upper"), Meaning(depth="anterior", plural=True), True),
        (Meaning("left", negated="side"), Meaning("right", plural=True), False),
        (Meaning(capsule="central", negated="capsule"), Meaning(capsule="subcapsular", plural=True), False),
        (Meaning("left", level="upper", negated="level"), Meaning("left", plural=True), True),
        (Meaning("left", "cyst", negated="attenuation"), Meaning("left", plural=True), True),
        (Meaning(organ="spleen"), Meaning(plural=True, organ="spleen"), False),
        (Meaning(), Meaning(plural=True), False),
    ],
)
def test_a_slice_is_asked_only_what_it_can_tell(meaning, part, needs_volume):
    assert meaning.slice_part() == part
    assert meaning.needs_volume == needs_volume


def test_a_size_is_clear_where_the_round_and_the_longest_diameter_say_the_same():
    long, disc, small = (
        LesionAttributes(value, "right", "hypodense", 50.0, mean, (0.0, 0.0, 0.0), longest_mm=longest)
        for value, mean, longest in [(1, 28.6, 59.3), (2, 44.0, 45.0), (3, 10.0, 12.0)]
    )
    largest, smallest = Meaning(rank="largest"), Meaning(rank="smallest")
    assert largest.resolve([long, disc, small]) is None
    assert largest.resolve([disc, small]) == (2,)
    assert smallest.resolve([long, disc, small]) == (3,)
    assert Meaning(rank="largest", count=2).resolve([long, disc, small]) == (1, 2)
    assert Meaning(size_mm=40.0, bound="under").resolve([long]) is None
    assert Meaning(size_mm=20.0, bound="over").resolve([long]) == (1,)
    assert Meaning(size_mm=28.0).resolve([long]) is None
    assert Meaning(size_mm=44.0).resolve([disc]) == (2,)
