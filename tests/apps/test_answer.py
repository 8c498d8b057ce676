# SPDX-License-Identifier: Apache-2.0
"""Every number of an answer against a formula."""

import json
import math

import numpy as np
import pytest

from lsms_monai.answer import Answer, Lesion, axial_axis, measure_lesions

LPS = np.diag([-0.7, -1.1, 5.0, 1.0])


def ellipsoid(shape, centre, radii):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return (((grid - centre) / radii) ** 2).sum(axis=-1) <= 1


def measure(mask, affine=LPS, image=None, probability=None):
    image = np.zeros(mask.shape) if image is None else image
    return measure_lesions(mask, image, np.full(mask.shape, 0.8) if probability is None else probability, affine)


def box_mask(shape=(13, 17, 7), box=np.s_[2:6, 3:6, 1:4]):
    mask = np.zeros(shape, bool)
    mask[box] = True
    return mask


def oblique(spacing=(0.7, 1.1, 5.0), degrees=20.0):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag(spacing) * [-1, -1, 1]
    affine[:3, 3] = [11, -7, 130]
    return affine


def test_volume_is_the_number_of_voxels_times_the_determinant_of_the_affine():
    (lesion,) = measure(box_mask(), oblique())
    assert lesion.volume_ml == pytest.approx(4 * 3 * 3 * 0.7 * 1.1 * 5.0 / 1000)


def test_a_shear_changes_the_volume_by_its_determinant():
    affine = LPS.copy()
    affine[:3, 2] = [0.0, 2.0, 4.0]
    (lesion,) = measure(box_mask(), affine)
    assert lesion.volume_ml == pytest.approx(36 * abs(np.linalg.det(affine[:3, :3])) / 1000)


def test_one_voxel_is_as_long_as_its_longer_edge():
    (lesion,) = measure(box_mask(box=np.s_[4:5, 4:5, 3:4]))
    assert lesion.longest_axial_diameter_mm == pytest.approx(1.1)
    assert lesion.is_speck


def test_diameter_runs_between_the_midpoints_of_edges_under_unequal_spacing():
    (lesion,) = measure(box_mask())
    # a box of 4 x 3 voxels: from the left edge's midpoint of one corner voxel to the right one's of the opposite
    by_formula = max(math.hypot(4 * 0.7, 2 * 1.1), math.hypot(3 * 0.7, 3 * 1.1))
    assert lesion.longest_axial_diameter_mm == pytest.approx(by_formula)


def test_diameter_agrees_with_all_pairs_of_edge_midpoints():
    mask = np.random.default_rng(3).random((9, 11, 3)) > 0.5
    affine = oblique()
    affine[:3, 0] += [0, 0.3, 0]  # not perpendicular
    offsets = np.array([[0.5, 0, 0], [-0.5, 0, 0], [0, 0.5, 0], [0, -0.5, 0]])
    longest = 0.0
    for k in range(3):
        points = (np.argwhere(mask[..., k])[:, None] @ np.eye(2, 3) + offsets).reshape(-1, 3) @ affine[:3, :3].T
        longest = max(longest, np.linalg.norm(points[:, None] - points[None], axis=-1).max())
    (lesion,) = measure(mask, affine)
    assert lesion.longest_axial_diameter_mm == pytest.approx(longest)


@pytest.mark.parametrize("degrees", [0.0, 20.0, -40.0])
def test_a_round_lesion_has_nearly_its_true_diameter(degrees):
    affine = oblique((0.7, 1.1, 5.0), degrees)
    (lesion,) = measure(ellipsoid((61, 43, 7), (30, 20, 3), (10 / 0.7, 10 / 1.1, 2)), affine)
    assert lesion.longest_axial_diameter_mm == pytest.approx(20.0, abs=1.1)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("flip", [(), (0,), (1, 2)])
def test_axis_order_and_flips_change_no_measurement(order, flip):
    mask, affine = ellipsoid((29, 31, 11), (12, 9, 5), (6.0, 3.5, 3.0)), oblique()
    (expected,) = measure(mask, affine)
    moved = np.eye(4)[:, [*order, 3]]
    for axis in flip:
        size = mask.transpose(order).shape[axis]
        moved = moved @ _flip(axis, size)
    (lesion,) = measure(np.flip(mask.transpose(order), flip), affine @ moved)
    assert lesion.longest_axial_diameter_mm == pytest.approx(expected.longest_axial_diameter_mm)
    assert lesion.volume_ml == pytest.approx(expected.volume_ml)
    np.testing.assert_allclose(lesion.centroid_mm, expected.centroid_mm)


def _flip(axis, size):
    matrix = np.eye(4)
    matrix[axis, axis], matrix[axis, 3] = -1, size - 1
    return matrix


def test_axial_axis_is_the_one_nearest_to_the_head():
    assert axial_axis(LPS) == 2
    assert axial_axis(LPS[:, [2, 0, 1, 3]]) == 0
    assert axial_axis(oblique(degrees=40)) == 2


def test_slices_are_counted_from_zero_as_in_the_file_and_inclusive():
    assert measure(box_mask())[0].slice_range == (1, 3)
    upside_down = LPS @ _flip(2, 7)
    assert measure(box_mask(), upside_down)[0].slice_range == (1, 3)
    sagittal_first = box_mask().transpose(2, 0, 1)
    assert measure(sagittal_first, LPS[:, [2, 0, 1, 3]])[0].slice_range == (1, 3)


def test_centroid_is_in_ras_millimetres():
    affine = oblique()
    (lesion,) = measure(box_mask(), affine)
    np.testing.assert_allclose(lesion.centroid_mm, (affine @ [3.5, 4.0, 2.0, 1.0])[:3])


def test_voxels_that_touch_by_a_corner_are_one_lesion():
    mask = np.zeros((5, 5, 5), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    assert len(measure(mask)) == 1
    mask[4, 4, 4] = True
    assert len(measure(mask)) == 2


def test_hu_and_confidence_are_means_inside_each_lesion_alone():
    mask = box_mask() | box_mask(box=np.s_[9:11, 9:11, 5:7])
    image = np.where(box_mask(), 40.0, 100.0)
    probability = np.where(box_mask(), 0.9, 0.6)
    large, small = measure(mask, image=image, probability=probability)
    assert (large.mean_hu, small.mean_hu) == (40.0, 100.0)
    assert (large.confidence, small.confidence) == (pytest.approx(0.9), pytest.approx(0.6))
    assert large.volume_ml > small.volume_ml


def test_voxels_without_a_number_are_left_out_of_the_mean():
    image = np.full((13, 17, 7), 50.0)
    image[2, 3, 1] = np.nan
    assert measure(box_mask(), image=image)[0].mean_hu == 50.0
    (lesion,) = measure(box_mask(), image=np.full((13, 17, 7), np.nan))
    assert lesion.mean_hu is None


def test_an_empty_mask_is_not_found():
    mask = np.zeros((5, 4, 3), bool)
    answer = Answer("a cyst", mask, measure(mask))
    assert not answer.found
    assert answer.to_dict()["lesions"] == []
    assert answer.summary() == "Not found: no part of the image matches the expression."


def lesion(diameter_mm, volume_ml, **kwargs):
    values = {"mean_hu": 12.34, "centroid_mm": (1.0, 2.0, 3.0), "slice_range": (4, 5), "confidence": 0.87654} | kwargs
    return Lesion(volume_ml=volume_ml, longest_axial_diameter_mm=diameter_mm, **values)


@pytest.mark.parametrize(
    ("lesions", "text"),
    [
        ([lesion(31.4, 12.44)], "Found: 1 lesion, 12.4 ml, longest axial diameter 31 mm"),
        ([lesion(31.4, 12.44), lesion(9, 0.2)], "Found: 2 lesions, 12.6 ml in all, longest axial diameter 31 mm"),
        (
            [lesion(8, 0.25), lesion(2, 0.01)],
            "Found: 1 lesion and 1 speck under 3 mm, 0.26 ml in all, longest axial diameter 8 mm",
        ),
        ([lesion(2, 0.02), lesion(2, 0.01)], "Found: only 2 specks under 3 mm, 0.03 ml"),
    ],
)
def test_summary_counts_specks_apart_from_lesions(lesions, text):
    assert Answer("x", np.ones((1, 1, 1), bool), lesions).summary() == text


def test_specks_stay_in_the_answer():
    mask = box_mask() | box_mask(box=np.s_[10:11, 10:11, 6:7])
    content = Answer("x", mask, measure(mask)).to_dict()
    assert [entry["speck"] for entry in content["lesions"]] == [False, True]
    assert content["volume_ml"] == pytest.approx(37 * 0.7 * 1.1 * 5 / 1000, abs=1e-3)


def test_to_dict_is_strict_json_without_voxels():
    answer = Answer("größer als 2 cm", np.ones((2, 2, 2), bool), [lesion(31.44, 12.3456, mean_hu=math.nan)])
    entry = json.loads(json.dumps(answer.to_dict(), allow_nan=False))["lesions"][0]
    assert entry["mean_hu"] is None
    assert (entry["volume_ml"], entry["longest_axial_diameter_mm"], entry["slice_range"]) == (12.346, 31.4, [4, 5])


def test_to_dict_says_how_the_words_were_resolved():
    told = {"existence": 0.98765, "resolution": "The largest of 2.", "unknown_words": ["odd"]}
    content = Answer("the odd cyst", np.ones((2, 2, 2), bool), [lesion(31, 12)], **told).to_dict()
    assert {key: content[key] for key in told} == told | {"existence": 0.988}
