# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from lsms_monai.data.anatomy import REGIONS, build_anatomy
from lsms_monai.data.body import (
    AIR_HU,
    BLADDER,
    BONE,
    BOWEL,
    GALLBLADDER,
    HEART,
    KIDNEY,
    LIVER,
    LUNG,
    MUSCLE,
    PHASES,
    SPLEEN,
    STOMACH,
    VESSEL,
    Canvas,
    draw_tissue,
    smooth_field,
    squared_radius,
)
from lsms_monai.data.trunk import draw_trunk

EVERYWHERE = {MUSCLE, BONE, VESSEL}
HAS = {
    "liver": {LIVER, SPLEEN, KIDNEY, STOMACH, LUNG, BOWEL, HEART},
    "chest": {LUNG, HEART},
    "abdomen": {BOWEL},
    "pelvis": {BLADDER, BOWEL},
    "thigh": set(),
}
MAY_HAVE = {"liver": {GALLBLADDER}, "chest": set(), "abdomen": {KIDNEY}, "pelvis": set(), "thigh": set()}


def grid(height=0.0, slices=1):
    x = np.linspace(-190, 190, 72)
    z = height + 8.0 * (np.arange(slices) - (slices - 1) / 2)
    return x[:, None, None], x[None, :, None], z[None, None, :]


@pytest.fixture(scope="module")
def bodies():
    """Three volumes without lesions of each region."""
    return {name: [build_anatomy(np.random.default_rng(i), grid(0, 24), name) for i in range(3)] for name in REGIONS}


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_its_organs_and_no_others(region, bodies):
    for body in bodies[region]:
        found = set(np.unique(body.organs)) - {0}
        assert EVERYWHERE | HAS[region] <= found
        assert found <= EVERYWHERE | HAS[region] | MAY_HAVE[region]


def test_there_is_no_region_of_another_name():
    with pytest.raises(ValueError, match="region must be one of liver, chest, abdomen, pelvis, thigh, got 'head'"):
        build_anatomy(np.random.default_rng(0), grid(), "head")


@pytest.mark.parametrize(
    ("organ", "lowest", "highest"),
    [(LIVER, 30, 130), (SPLEEN, 40, 165), (KIDNEY, 20, 210), (BONE, 60, 1300), (LUNG, -900, -700), (HEART, 30, 400)],
)
def test_each_organ_has_hu_of_its_own(organ, lowest, highest, bodies):
    means = [np.mean(b.hu[b.organs == organ]) for region in bodies.values() for b in region if organ in b.organs]
    assert lowest <= min(means)
    assert max(means) <= highest


@pytest.mark.parametrize("seed", [48, 57])
def test_a_cyst_of_the_kidney_is_none_of_the_liver(seed):
    body = build_anatomy(np.random.default_rng(seed), grid(-20, 12), "liver")
    fluid = (body.organs == KIDNEY) & (body.hu >= 0) & (body.hu <= 15)
    for cyst, organs in zip(np.moveaxis(fluid, -1, 0), np.moveaxis(body.organs, -1, 0), strict=True):
        parts, number = ndimage.label(cyst)
        for part in range(1, number + 1):
            rim = ndimage.binary_dilation(parts == part) & (parts != part)
            assert np.any(organs[rim] != LIVER)


def test_organs_light_up_together_in_every_phase():
    tissues = [draw_tissue(np.random.default_rng(seed)) for seed in range(200)]
    assert {tissue.phase for tissue in tissues} == set(PHASES)
    arteries = {phase: np.mean([t.artery for t in tissues if t.phase == phase]) for phase in PHASES}
    assert arteries["none"] < arteries["delayed"] < arteries["portal venous"] < arteries["arterial"]
    venous = [t for t in tissues if t.phase == "portal venous" and t.liver > 60]
    assert np.corrcoef([t.liver for t in venous], [t.spleen for t in venous])[0, 1] > 0.4


def test_some_livers_are_fatty():
    tissues = [draw_tissue(np.random.default_rng(seed)) for seed in range(300)]
    fatty = [t.liver for t in tissues if t.phase == "portal venous" and t.liver < 88]
    assert 0.05 < len(fatty) / len(tissues) < 0.25
    assert min(fatty) >= 30
    assert max(fatty) <= 60


def test_patients_are_slim_to_obese():
    widths = []
    for seed in range(40):
        body = build_anatomy(np.random.default_rng(seed), grid())
        widths.append(np.ptp(np.nonzero(body.hu[:, 36, 0] > -300)[0]) * 380 / 71)
    assert np.percentile(widths, 10) < 300
    assert np.percentile(widths, 90) > 330


def test_the_liver_lies_on_the_patients_right_and_the_spleen_on_the_left(bodies):
    for body in bodies["liver"]:
        middle = {organ: np.nonzero(body.organs == organ)[0].mean() for organ in (LIVER, SPLEEN, STOMACH)}
        assert middle[LIVER] < middle[STOMACH] < middle[SPLEEN]


def test_the_heart_lies_on_the_left_and_the_spine_at_the_back(bodies):
    for body in bodies["chest"]:
        lung = np.argwhere(body.organs == LUNG).mean(axis=0)
        assert np.argwhere(body.organs == HEART).mean(axis=0)[0] > lung[0]
        assert np.argwhere((body.organs == BONE)[28:44]).mean(axis=0)[1] > lung[1]


def test_the_lung_lies_above_the_liver(bodies):
    for body in bodies["liver"]:
        assert np.nonzero(body.organs == LUNG)[2].mean() > np.nonzero(body.organs == LIVER)[2].mean()


def test_two_thighs_have_a_femur_each(bodies):
    for body in bodies["thigh"]:
        columns = np.nonzero((body.organs == BONE).any(axis=(1, 2)))[0]
        assert np.count_nonzero(np.diff(columns) > 5) == 1


def test_both_lobes_are_on_most_slices():
    for seed in range(10):
        body = build_anatomy(np.random.default_rng(seed), grid())
        liver = body.organs == LIVER
        assert 0.1 < (liver & (body.lobe_mm > 0)).sum() / liver.sum() < 0.7


def test_depth_grows_to_the_back_from_the_middle_of_the_liver():
    body = build_anatomy(np.random.default_rng(0), grid())
    assert body.depth_mm[body.organs == LIVER].mean() == pytest.approx(0, abs=1e-3)
    assert np.allclose(np.diff(body.depth_mm, axis=1), 380 / 71, atol=1e-3)


def test_an_ellipsoid_is_one_on_its_surface():
    p = [np.float32([[[value]]]) for value in (3 + 4 * np.cos(0.3), 5 + 4 * np.sin(0.3), 7)]
    assert squared_radius(p, (3, 5, 7), (4, 2, 6), angle=0.3).item() == pytest.approx(1, abs=1e-5)


def test_the_box_of_an_ellipsoid_misses_none_of_it():
    for seed in range(20):
        generator = np.random.default_rng(seed)
        canvas = Canvas(generator, grid(0, 9))
        centre, axes, angle = generator.uniform(-120, 120, 3) * (1, 1, 0.3), generator.uniform(8, 70, 3), seed / 5
        canvas.blob(centre, axes, 50, LIVER, angle=angle)
        np.testing.assert_array_equal(canvas.organs == LIVER, squared_radius(canvas.p, centre, axes, angle) < 1)


def test_what_lies_beside_the_slice_is_not_painted():
    canvas = Canvas(np.random.default_rng(0), grid())
    canvas.blob((0, 0, 100), (20, 20, 20), 50, LIVER)
    everywhere = np.ones(canvas.hu.shape, bool)
    canvas.tube((np.array((0, 0, 30.0)), np.array((10, 0, 60.0))), 3, 50, LIVER, everywhere)
    assert not canvas.organs.any()
    assert (canvas.hu == AIR_HU).all()


def test_a_smooth_field_is_bounded_and_varies_slowly():
    field = smooth_field(np.random.default_rng(0), grid(0, 5), 40)
    assert field.shape == (72, 72, 5)
    assert 0.2 < np.abs(field).max() <= 1
    assert np.abs(np.diff(field, axis=0)).max() < 0.35


def test_the_muscles_of_the_flanks_thicken_the_wall_at_the_sides_alone():
    tissue = draw_tissue(np.random.default_rng(0))
    for seed in range(5):
        thin, thick = (
            draw_trunk(Canvas(np.random.default_rng(seed), grid()), tissue, 110, 80, flank) for flank in (0.0, 24.0)
        )
        lost = thin.cavity & ~thick.cavity
        x, y = (np.broadcast_to(axis, lost.shape)[lost] for axis in grid()[:2])
        assert not (thick.cavity & ~thin.cavity).any()
        assert lost.any()
        assert np.median(np.abs(x)) > np.median(np.abs(y))
