# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from lsms_monai.data.anatomy import LIVER, build_anatomy
from lsms_monai.data.lesions import GAP_MM, place_lesions
from lsms_monai.data.phantom import phantom

SPACING = (2.0, 2.0, 5.0)


@pytest.fixture(scope="module")
def phantoms():
    """Slices with five lesions, and one volume."""
    return [*(phantom(seed, num_lesions=5) for seed in range(20)), phantom(3, shape=(160, 160, 20), num_lesions=5)]


def test_each_lesion_is_one_piece_in_the_liver(phantoms):
    for made in phantoms:
        assert set(np.unique(made.labels)) == {0, *(lesion.value for lesion in made.lesions)}
        assert (made.organs[made.labels > 0] == LIVER).all()
        assert all(ndimage.label(made.labels == lesion.value)[1] == 1 for lesion in made.lesions)


def test_lesions_keep_their_distance(phantoms):
    for made in phantoms:
        for lesion in made.lesions:
            others = (made.labels > 0) & (made.labels != lesion.value)
            apart_mm = ndimage.distance_transform_edt(~others, sampling=SPACING)
            assert not others.any() or apart_mm[made.labels == lesion.value].min() >= GAP_MM


def test_the_diameter_is_that_of_the_mask(phantoms):
    for made in phantoms:
        for lesion in made.lesions:
            area_mm2 = (made.labels == lesion.value).sum(axis=(0, 1)).max() * 4
            assert lesion.diameter_mm == pytest.approx(2 * np.sqrt(area_mm2 / np.pi), abs=0.06)


def test_the_centroid_is_where_the_mask_is_in_ras_mm(phantoms):
    for made in phantoms:
        for lesion in made.lesions:
            centre = np.argwhere(made.labels == lesion.value).mean(axis=0)
            place_mm = (made.affine @ (*centre, 1))[:3]
            np.testing.assert_allclose(place_mm, lesion.centroid_mm, atol=3)


def test_left_lesions_lie_further_left_than_right_ones_of_the_same_depth(phantoms):
    for made in phantoms:
        right = [x.centroid_mm for x in made.lesions if x.side == "right"]
        left = [x.centroid_mm for x in made.lesions if x.side == "left"]
        level = [(r, s) for r in right for s in left if abs(r[1] - s[1]) < 5 and made.labels.shape[2] == 1]
        assert all(s[0] < r[0] for r, s in level)  # R is +x: the patient's left has the smaller x


@pytest.mark.parametrize("seed", range(10))
def test_lesions_stay_clear_of_the_plane_between_the_lobes(seed):
    axis = np.arange(-159, 160, 2.0)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))
    generator = np.random.default_rng(seed)
    body = build_anatomy(generator, grid)
    labels, lesions = place_lesions(generator, body, grid, SPACING, 5)
    for lesion in lesions:
        distance_mm = body.lobe_mm[labels == lesion.value] * (1 if lesion.side == "left" else -1)
        assert distance_mm.min() > 6


def test_a_lesion_looks_as_it_is_called(phantoms):
    for made in phantoms:
        for lesion in (x for x in made.lesions if x.diameter_mm > 14):
            core = ndimage.binary_erosion(made.labels == lesion.value, np.ones((3, 3, 1)))  # blur reaches the rim
            hu = np.median(made.image[core])
            assert hu == pytest.approx(lesion.hu, abs=15)
            assert (hu > made.liver_hu + 15) if lesion.kind == "hyperdense" else (hu < made.liver_hu - 15)
            assert (lesion.hu <= 20) == (lesion.kind == "cyst")


def test_sizes_sides_and_kinds_vary(phantoms):
    lesions = [lesion for made in phantoms for lesion in made.lesions]
    assert min(x.diameter_mm for x in lesions) < 18
    assert max(x.diameter_mm for x in lesions) > 35
    assert {(x.side, x.kind) for x in lesions} == {
        (side, kind) for side in ("right", "left") for kind in ("cyst", "hypodense", "hyperdense")
    }
