# SPDX-License-Identifier: Apache-2.0
"""Components of a probability map: joined across a missed slice, scored, and freed from what is far less sure."""

import numpy as np
import pytest

from lsms_monai.components import find_components, paint
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import Meaning
from lsms_monai.selection import choose

SHAPE = (61, 53, 13)
THICK, THIN = np.diag([-1.0, -1.0, 5.0, 1.0]), np.diag([-1.0, -1.0, 1.0, 1.0])


def ball(centre, radii, shape=SHAPE):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return (((grid - centre) / radii) ** 2).sum(axis=-1) <= 1


def find(probability, affine=THICK, image=None):
    image = np.zeros(probability.shape) if image is None else image
    return find_components(probability.astype(np.float32), image, affine, 0.5)


def test_components_are_found_where_they_are_the_surest_first():
    large, small = ball((20, 20, 4), (12, 12, 2)), ball((45, 40, 8), (5, 5, 1))
    found = find(0.8 * large + 0.95 * small)
    assert [component.lesion.slice_range for component in found.items] == [(7, 9), (2, 6)]
    np.testing.assert_array_equal(paint(found.items, SHAPE), large | small)
    np.testing.assert_array_equal(paint(found.items[:1], SHAPE), small)
    assert found.best == found.items[0].score == pytest.approx(0.95, abs=0.02)
    assert found.items[1].overlap(large) == 1
    assert found.items[0].overlap(large) == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_that_both_neighbours_contradict_does_not_cut_a_lesion(axis):
    lesion = ball((30, 26, 6), (14, 14, 3))
    probability = 0.9 * lesion
    probability[..., 6] = 0.1
    order = {0: (2, 0, 1), 1: (0, 2, 1), 2: (0, 1, 2)}[axis]
    affine = THICK[:, [*order, 3]]
    (component,) = find(probability.transpose(order), affine).items
    missing = lesion & ~paint([component], probability.transpose(order).shape).transpose(np.argsort(order))
    assert missing.sum() < 0.15 * lesion[..., 6].sum()  # its rim there, which the neighbours do not reach
    assert component.lesion.slice_range == (3, 9)


def test_a_gap_of_two_slices_parts_two_lesions():
    probability = 0.9 * ball((30, 26, 6), (14, 14, 5))
    probability[..., 6:8] = 0
    assert len(find(probability).items) == 2


def test_the_end_slices_are_not_bridged_around():
    probability = np.zeros(SHAPE)
    probability[10:20, 10:20, 0] = 0.9
    probability[10:20, 10:20, -1] = 0.9
    assert [component.lesion.slice_range for component in find(probability).items] == [(0, 0), (12, 12)]


def test_a_single_slice_is_a_world_of_its_own():
    (component,) = find(0.9 * ball((30, 26, 0), (14, 14, 1), (61, 53, 1))).items
    assert component.score == pytest.approx(0.9, abs=0.01)


def test_a_speck_is_dropped_beside_a_lesion_and_kept_alone():
    lesion, speck = ball((20, 20, 4), (9, 9, 2)), np.zeros(SHAPE, bool)
    speck[45:47, 40:42, 7:9] = True
    assert len(find(0.9 * (lesion | speck)).items) == 1
    (alone,) = find(0.9 * speck).items
    assert alone.lesion.is_speck
    assert alone.score < 0.5


@pytest.mark.parametrize(("depth", "num_kept"), [(1, 2), (3, 1)])
def test_a_weak_focus_may_be_the_smallest_one_of_a_single_slice_and_is_never_one_of_all(depth, num_kept):
    lesion, weak = ball((20, 20, 1), (9, 9, 9))[..., :depth], ball((45, 35, 1), (4, 4, 9))[..., :depth]
    found = find(0.9 * lesion + 0.65 * weak)
    assert (len(found.items), len(found.sure)) == (num_kept, 1)
    answers = {canonical(Meaning(plural=True)): found}
    (smallest,), _ = choose(Meaning(rank="smallest"), answers)
    assert smallest.overlap(weak) == (depth == 1)
    (only,), _ = choose(Meaning(plural=True), answers)
    assert only.overlap(lesion) == 1


def test_a_small_lesion_is_kept_beside_a_large_one():
    large, small = ball((20, 20, 4), (12, 12, 2)), ball((45, 40, 8), (2.5, 2.5, 1))
    assert len(find(0.95 * (large | small)).items) == 2


def test_what_is_wide_and_flat_is_less_sure_than_what_is_round():
    flat, alike = ball((20, 20, 4), (9, 9, 0.5)), ball((45, 35, 6), (9, 9, 9))
    assert find(0.9 * flat, THIN).best == pytest.approx(0.9 * 3 / 19, rel=0.1)
    assert find(0.9 * alike, THIN).best == pytest.approx(0.9, rel=0.01)
    assert len(find(0.9 * (flat | alike), THIN).items) == 1


def test_a_surer_but_flat_artefact_does_not_hide_a_lesion():
    flat, lesion = ball((20, 20, 4), (9, 9, 0.5)), ball((45, 35, 6), (9, 9, 9))
    (found,) = find(np.where(flat, 1.0, 0.75 * lesion), THIN).items
    assert found.score == pytest.approx(0.75, rel=0.01)
    assert found.lesion.slice_range[1] > found.lesion.slice_range[0]


def test_a_lesion_that_leaves_the_volume_need_not_be_high():
    assert find(0.9 * ball((20, 20, 0), (9, 9, 0.5)), THIN).best == pytest.approx(0.9, rel=0.01)


def test_a_component_is_scored_by_its_surest_place():
    lesion = ball((20, 20, 4), (9, 9, 2))
    doubtful = 0.7 * ball((45, 35, 8), (9, 9, 2))
    doubtful[45, 35, 8] = 1.0  # one voxel says little
    scores = [component.score for component in find(0.9 * lesion + doubtful).items]
    assert scores == pytest.approx([0.9, 0.75], abs=0.05)


def test_below_the_threshold_the_best_score_remains():
    found = find(0.4 * ball((20, 20, 4), (9, 9, 2)))
    assert found.items == []
    assert found.best == pytest.approx(0.4, abs=0.01)
    assert find(np.zeros(SHAPE)).best == 0.0


def test_attenuation_is_that_of_the_core():
    lesion = ball((20, 20, 4), (9, 9, 2))
    core = ball((20, 20, 4), (6, 6, 2))
    image = np.where(core, 20.0, 100.0)
    image[20, 20, 4] = np.nan
    (component,) = find(0.9 * lesion, image=image).items
    assert component.hu == pytest.approx(20, abs=8)
    assert component.lesion.mean_hu > component.hu + 10


def test_attenuation_of_a_place_without_numbers_is_none():
    (component,) = find(0.9 * ball((20, 20, 4), (9, 9, 2)), image=np.full(SHAPE, np.nan)).items
    assert np.isnan(component.hu)
    assert component.lesion.mean_hu is None


def test_the_round_diameter_is_that_of_the_largest_axial_section():
    affine = np.diag([-1.0, -0.5, 5.0, 1.0])
    (component,) = find(0.9 * ball((20, 20, 4), (12, 10, 2)), affine).items
    assert component.round_mm == pytest.approx(2 * np.sqrt(12 * 5), rel=0.03)
    assert component.lesion.longest_axial_diameter_mm == pytest.approx(25, abs=1)
