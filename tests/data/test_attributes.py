# SPDX-License-Identifier: Apache-2.0
"""Lesions drawn at known places into a plain abdomen get the words that fit, and no word where it would be a guess."""

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from lsms_monai.data.attributes import describe_lesions, instance_map

AFFINE = np.diag((-3.0, -3.0, 5.0, 1.0))  # LPS; the body's middle is voxel (60, 45)
LIVER_HU = 110


def ball(shape, centre, radius):
    return sum(((axis - c) / r) ** 2 for axis, c, r in zip(np.indices(shape), centre, radius, strict=True)) < 1


def abdomen(lesions=(), depth=21):
    """HU, label map and liver of an abdomen of 330 mm width; lesions are (centre, radius in mm, HU)."""
    shape = (121, 91, depth)
    middle = depth // 2
    image = np.full(shape, -1000, np.int16)
    image[ball(shape, (60, 45, middle), (55, 38, 1e3))] = -90
    liver = ball(shape, (42, 42, middle), (34, 24, 9.5 if depth > 1 else 1e3))
    image[liver] = LIVER_HU
    labels = np.zeros(shape, np.uint8)
    for value, (centre, radius_mm, hu) in enumerate(lesions, start=1):
        inside = ball(shape, centre, (radius_mm / 3, radius_mm / 3, radius_mm / 5 if depth > 1 else 1e3))
        image[inside], labels[inside] = hu, value
    return image, labels, liver


def one(lesion, organ=True, **kwargs):
    image, labels, liver = abdomen([lesion])
    (found,) = describe_lesions(image, labels, AFFINE, liver if organ else None, **kwargs)
    return found


@pytest.mark.parametrize(
    ("hu", "kind"),
    [
        (5, "cyst"),
        (22, "cyst"),
        (60, "hypodense"),
        (100, "isodense"),
        (121, "isodense"),
        (150, "hyperdense"),
        (400, "calcified"),
    ],
)
def test_the_kind_comes_from_hu_and_contrast(hu, kind):
    found = one(((25, 45, 10), 15, hu))
    assert (found.kind, found.hu) == (kind, hu)
    assert one(((25, 45, 10), 15, hu), organ=False).kind == kind


def test_the_ring_around_a_lesion_is_found_on_coarse_pixels():
    image, labels, _ = abdomen([((25, 45, 10), 15, 50)])
    (found,) = describe_lesions(image, labels, np.diag((-5.0, -5.0, 5.0, 1.0)))
    assert found.kind == "hypodense"


def test_a_dark_core_in_a_bright_rim_is_a_rim():
    image, labels, liver = abdomen([((25, 45, 10), 24, 160)])
    image[ball(image.shape, (25, 45, 10), (5.5, 5.5, 3.5))] = 50
    (found,) = describe_lesions(image, labels, AFFINE, liver)
    assert found.kind == "rim"
    assert found.hu < 75


@pytest.mark.parametrize("organ", [True, False])
@pytest.mark.parametrize(("x", "side"), [(20, "right"), (35, "right"), (52, None), (68, "left")])
def test_the_lobe_is_the_patients_and_silent_near_the_plane_between_them(x, side, organ):
    assert one(((x, 42, 10), 9, 50), organ).side == side


def test_a_lesion_across_the_plane_between_the_lobes_lies_in_neither():
    assert one(((41, 42, 10), 12, 50)).side == "right"
    assert one(((41, 42, 10), 45, 50)).side is None


def test_the_lobe_is_told_from_the_liver_where_the_image_cuts_the_body():
    image, labels, liver = abdomen([((20, 42, 10), 9, 50), ((67, 42, 10), 9, 50)])
    inner = (slice(8, 80), slice(12, 80))
    found = describe_lesions(image[inner], labels[inner], AFFINE, liver[inner])
    assert [lesion.side for lesion in found] == ["right", "left"]
    assert [lesion.side for lesion in describe_lesions(image[inner], labels[inner], AFFINE)] == [None, None]


@pytest.mark.parametrize(
    ("centre", "words"),
    [
        ((40, 30, 10), ("anterior", None)),
        ((40, 54, 10), ("posterior", None)),
        ((40, 42, 10), (None, None)),
        ((40, 42, 5), (None, "lower")),
        ((40, 42, 15), (None, "upper")),
    ],
)
def test_depth_and_level_are_told_against_the_middle_of_the_organ(centre, words):
    found = one((centre, 9, 50))
    assert (found.depth, found.level) == words


@pytest.mark.parametrize(("x", "capsule"), [(10, "subcapsular"), (14, None), (40, "central")])
def test_the_distance_from_the_capsule_has_a_margin(x, capsule):
    assert one(((x, 42, 10), 6, 50)).capsule == capsule


def test_the_hilum_is_no_capsule():
    image, labels, liver = abdomen([((40, 42, 10), 9, 50)])
    liver[45:48, 42:] = False  # a cleft of 9 mm beside the lesion
    (found,) = describe_lesions(image, labels, AFFINE, liver & (labels == 0))
    assert found.capsule == "central"


def test_without_the_organ_its_parts_stay_unsaid():
    found = one(((11, 30, 15), 9, 50), organ=False)
    assert (found.depth, found.capsule, found.level) == (None, None, None)


def test_a_slice_is_its_own_world_without_a_level():
    image, labels, liver = abdomen([((20, 30, 0), 12, 50)], depth=1)
    (found,) = describe_lesions(image, labels, AFFINE, liver)
    assert (found.side, found.depth, found.level) == ("right", "anterior", None)
    (flat,) = describe_lesions(image[..., 0], labels[..., 0], AFFINE, liver[..., 0])
    assert flat == found


def test_the_diameter_is_that_of_the_largest_axial_section_and_the_centre_in_ras():
    found = one(((25, 45, 10), 21, 50))
    assert found.diameter_mm == pytest.approx(42, abs=1.5)
    assert found.centroid_mm == pytest.approx((-75, -135, 50), abs=1)


def test_a_picture_has_diameters_in_pixels():
    image, labels, liver = abdomen([((25, 45, 0), 21, 50)], depth=1)
    (found,) = describe_lesions(image, labels, np.diag((-1.0, -1.0, 1.0, 1.0)), liver, in_mm=False)
    assert found.diameter_mm == pytest.approx(14, abs=0.5)
    assert found.side == "right"


def test_fat_that_looks_like_air_does_not_hide_the_middle_of_the_body():
    image, labels, liver = abdomen([((20, 42, 0), 12, 50)], depth=1)
    shape = image.shape
    image[ball(shape, (60, 45, 0), (50, 34, 1e3)) & ~ball(shape, (60, 45, 0), (46, 31, 1e3))] = 60  # muscle
    image = np.clip(image, 0, 255)
    assert [x.side for x in describe_lesions(image, labels, AFFINE, liver, in_mm=False)] == ["right"]


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PIR", "SRA"])
def test_the_order_of_the_axes_changes_nothing(codes):
    arrays = abdomen([((20, 30, 14), 12, 50), ((68, 45, 10), 9, 150)])
    expected = describe_lesions(*arrays[:2], AFFINE, arrays[2])
    turn = ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes))
    turned = [nibabel.apply_orientation(array, turn) for array in arrays]
    assert describe_lesions(*turned[:2], AFFINE @ inv_ornt_aff(turn, arrays[0].shape), turned[2]) == expected


def test_a_semantic_mask_falls_into_its_components_from_the_largest_down():
    image, labels, liver = abdomen([((20, 45, 10), 9, 50), ((40, 45, 10), 15, 50), ((66, 45, 10), 12, 50)])
    found = describe_lesions(image, labels > 0, AFFINE, liver)
    assert [(lesion.value, round(lesion.centroid_mm[0])) for lesion in found] == [(1, -120), (2, -198), (3, -60)]


def test_pieces_of_one_instance_stay_together():
    image, labels, _ = abdomen([((20, 45, 10), 9, 50), ((40, 45, 10), 15, 50), ((66, 45, 10), 12, 50)])
    labels[labels == 3] = 2
    assert [lesion.value for lesion in describe_lesions(image, labels, AFFINE)] == [1, 2]


def test_specks_and_unknown_voxels_are_no_lesions():
    labels = np.zeros((9, 9, 3), np.uint8)
    labels[:4, :4], labels[7, 7, 1], labels[0, 8] = 1, 1, 255
    made = instance_map(labels, np.ones(3))
    assert np.unique(made).tolist() == [0, 1, 255]
    assert made[7, 7, 1] == 255
    assert [x.value for x in describe_lesions(np.zeros((9, 9, 3)), made, np.eye(4))] == [1]


def test_more_lesions_than_a_byte_holds_leave_out_the_unknown_value():
    labels = np.zeros((4 * 20, 4 * 20, 1), bool)
    for i, j in np.ndindex(20, 20):
        labels[4 * i : 4 * i + 3, 4 * j : 4 * j + 3] = True
    made = instance_map(labels, np.full(3, 2.0))
    assert made.dtype == np.uint16
    assert set(np.unique(made)) == set(range(402)) - {255}


def test_an_image_without_lesions_has_none():
    image, labels, liver = abdomen()
    assert describe_lesions(image, labels, AFFINE, liver) == []


def test_maps_of_another_shape_are_refused():
    image, labels, liver = abdomen()
    with pytest.raises(ValueError, match=r"label and image must have the same shape, got \(120, 91, 21\) and"):
        describe_lesions(image, labels[1:], AFFINE)
    with pytest.raises(ValueError, match="organ mask and image must have the same shape"):
        describe_lesions(image, labels, AFFINE, liver[1:])


@pytest.mark.parametrize(
    ("values", "message"),
    [([0.0, 0.5], r"must hold whole numbers, got \[0.5\]"), ([-1, 0], "must hold no value below 0, got -1")],
)
def test_values_that_are_no_lesions_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        instance_map(np.array(values)[:, None, None], np.ones(3))
