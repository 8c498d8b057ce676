# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from lsms_monai.data.anatomy import LIVER, build_anatomy
from lsms_monai.data.attributes import WATER_HU, core, depth_in_slice
from lsms_monai.data.lesions import GAP_MM, LOBE_MARGIN_MM, SEEN_RATIO, place_lesions
from lsms_monai.data.painting import (
    BRIGHT_RADIUS_MM,
    CONTRAST_HU,
    KIND_RATES,
    Appearance,
    draw_appearance,
    outline,
    paint,
)
from lsms_monai.data.phantom import phantom
from lsms_monai.data.scan import Scanner

SPACING = (2.0, 2.0, 5.0)
SHARP = Scanner(blur_mm=0.5, noise_hu=1.0)


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


@pytest.mark.parametrize("seed", range(6))
def test_a_side_is_told_only_clear_of_the_plane_between_the_lobes(seed):
    axis = np.arange(-159, 160, 2.0)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))
    generator = np.random.default_rng(seed)
    body = build_anatomy(generator, grid)
    labels, lesions = place_lesions(generator, body, grid, SPACING, 5, scanner=SHARP)
    assert lesions
    for lesion in lesions:
        lobe_mm = body.lobe_mm[labels == lesion.value]
        near = LOBE_MARGIN_MM / 2
        assert lesion.side == ("left" if lobe_mm.min() > near else "right" if lobe_mm.max() < -near else None)


def test_no_lesion_comes_near_places_to_avoid():
    axis = np.arange(-159, 160, 2.0)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))
    body = build_anatomy(np.random.default_rng(4), grid)
    avoid = (body.organs == LIVER) & (body.depth_mm > 0)
    labels, lesions = place_lesions(np.random.default_rng(4), body, grid, SPACING, 5, scanner=SHARP, avoid=avoid)
    assert lesions
    assert ndimage.distance_transform_edt(~avoid, sampling=SPACING)[labels > 0].min() >= GAP_MM


def test_what_the_noise_would_hide_is_not_there():
    axis = np.arange(-159, 160, 2.0)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))

    def placed(noise_hu):
        generator = np.random.default_rng(7)
        body = build_anatomy(generator, grid)
        before = body.hu.copy()
        labels, _ = place_lesions(generator, body, grid, SPACING, 5, scanner=Scanner(1.0, noise_hu))
        signals = [np.linalg.norm((body.hu - before)[labels == value]) for value in range(1, labels.max() + 1)]
        return signals, np.abs(body.hu - before)[ndimage.binary_dilation(labels > 0, iterations=6) == 0].max()

    few, many = placed(200.0), placed(1.0)
    assert len(many[0]) > len(few[0])
    assert all(signal > SEEN_RATIO * 200 for signal in few[0])
    assert few[1] == many[1] == 0  # nothing is left of one that was taken back


def test_a_rim_that_the_noise_would_hide_is_not_there():
    axis = np.arange(-159, 160, 2.0)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))

    def rims(noise_hu):
        """Strength of the bright part of each lesion with a rim, in units of the noise."""
        found = []
        for seed in range(12):
            body = build_anatomy(np.random.default_rng(seed), grid)
            before = body.hu.copy()
            scanner = Scanner(1.0, noise_hu)
            labels, lesions = place_lesions(np.random.default_rng(seed), body, grid, SPACING, 5, scanner=scanner)
            for lesion in (x for x in lesions if x.kind == "rim"):
                change = scanner.blurred((body.hu - before) * (labels == lesion.value), SPACING)
                found.append(np.linalg.norm(np.maximum(change, 0)) / noise_hu)
        return found

    few, many = rims(25.0), rims(1.0)
    assert len(many) > len(few) > 0
    assert min(few + many) >= SEEN_RATIO


def test_the_attenuation_of_a_lesion_is_that_of_the_blurred_image():
    axis = np.arange(-159, 160, 2.0)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))
    for blur_mm in (0.0, 1.7):
        body = build_anatomy(np.random.default_rng(6), grid)
        scanner = Scanner(blur_mm, 1.0)
        labels, lesions = place_lesions(np.random.default_rng(6), body, grid, SPACING, 3, scanner=scanner)
        seen = scanner.blurred(body.hu, SPACING)
        for lesion in lesions:
            mask = labels == lesion.value
            assert lesion.hu == pytest.approx(seen[core(depth_in_slice(mask)) & mask].mean(), abs=2)


def test_a_lesion_looks_as_it_is_called(phantoms):
    for made in phantoms:
        for lesion in (x for x in made.lesions if x.diameter_mm > 18 and x.kind != "rim"):
            core = ndimage.binary_erosion(made.labels == lesion.value, np.ones((3, 3, 1)), iterations=2)
            contrast = np.median(made.image[core]) - made.liver_hu
            assert contrast > 10 if lesion.kind in ("hyperdense", "calcified") else contrast < -10
            assert lesion.kind != "calcified" or lesion.hu > 200
            assert lesion.hu <= WATER_HU[1] or lesion.kind != "cyst"


def test_a_rim_is_brighter_than_core_and_liver():
    offsets = np.ix_(np.arange(-29.0, 30), np.arange(-29.0, 30), [0.0])
    hu, look = np.full((59, 59, 1), 100.0), Appearance("rim", 40, radius=20, softness=1.2, texture=0, rim_hu=150)
    mask = paint(np.random.default_rng(0), hu, offsets, look, (1, 1, 5), within=np.ones(hu.shape, bool))
    assert hu[29, 29, 0] == 40
    assert hu[mask].max() > 130
    assert (hu[~ndimage.binary_dilation(mask, iterations=2)] == 100).all()


@pytest.mark.parametrize("liver_hu", [30.0, 60.0, 120.0])
def test_lesions_differ_from_their_liver_by_a_margin(liver_hu):
    looks = [draw_appearance(np.random.default_rng(seed), liver_hu, 15.0) for seed in range(300)]
    assert {look.kind for look in looks} >= {"cyst", "hyperdense", "rim", "calcified"}
    for look in looks:
        assert abs(look.hu - liver_hu) >= (CONTRAST_HU if look.kind != "cyst" else 10)
        assert (look.rim_hu is not None) == (look.kind == "rim")


def test_sizes_sides_and_kinds_vary(phantoms):
    lesions = [lesion for made in phantoms for lesion in made.lesions]
    assert min(x.diameter_mm for x in lesions) < 14
    assert max(x.diameter_mm for x in lesions) > 40
    assert {x.kind for x in lesions} == {*KIND_RATES}
    assert {x.side for x in lesions} >= {"right", "left"}
    assert {x.capsule for x in lesions} == {"subcapsular", "central", None}
    assert {x.depth for x in lesions} == {"anterior", "posterior", None}


def test_the_attenuation_is_that_of_the_inner_part_with_its_darker_middle():
    hu = np.full((21, 21, 1), 100.0)
    mask = np.hypot(*np.ogrid[-10:11, -10:11])[..., None] < 9
    hu[mask] = 60
    hu[np.hypot(*np.ogrid[-10:11, -10:11])[..., None] < 2] = 30
    inner = core(depth_in_slice(mask))
    assert 30 < hu[inner].mean() < 60
    assert mask[inner].all()


@pytest.mark.parametrize("seed", range(8))
def test_a_lesion_lies_within_its_radius_and_a_fifth(seed):
    offsets = np.ix_(np.arange(-29.0, 30), np.arange(-29.0, 30), [0.0])
    inside = outline(np.random.default_rng(seed), offsets, 20, smooth=False) < 0
    assert np.hypot(offsets[0], offsets[1])[inside].max() <= 24


def test_no_bright_dot_is_a_lesion():
    generator = np.random.default_rng(0)
    dots = [draw_appearance(generator, hu, BRIGHT_RADIUS_MM - 1) for hu in (30.0, 60.0, 110.0) for _ in range(200)]
    assert "hyperdense" not in {dot.kind for dot in dots}
    assert any(draw_appearance(generator, 110.0, BRIGHT_RADIUS_MM).kind == "hyperdense" for _ in range(200))
