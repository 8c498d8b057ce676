# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lsms_monai.data.anatomy import BONE, KIDNEY, LIVER, LUNG, SPLEEN, STOMACH, VESSEL, build_anatomy, ellipsoid
from lsms_monai.data.phantom import phantom


@pytest.fixture(scope="module")
def volume():
    """A whole upper abdomen without lesions."""
    return phantom(11, shape=(128, 101, 40), spacing=(2.6, 2.6, 7.0), num_lesions=0)


@pytest.mark.parametrize(
    ("organ", "lowest", "highest"),
    [(LIVER, 85, 150), (SPLEEN, 70, 165), (KIDNEY, 90, 200), (VESSEL, 60, 210), (BONE, 150, 700), (LUNG, -900, -600)],
)
def test_each_organ_has_the_hu_of_a_portal_venous_ct(organ, lowest, highest, volume):
    values = volume.image[volume.organs == organ]
    assert len(values) > 100
    assert lowest <= np.median(values) <= highest


def test_air_surrounds_the_body(volume):
    assert np.median(volume.image[:5, :5]) < -950


def test_the_liver_lies_on_the_patients_right_and_the_spleen_on_the_left(volume):
    middle = {organ: np.nonzero(volume.organs == organ)[0].mean() for organ in (LIVER, SPLEEN, STOMACH, LUNG)}
    assert middle[LIVER] < 128 / 2 < middle[STOMACH] < middle[SPLEEN]


def test_the_spine_lies_at_the_back_and_the_lung_above_the_liver(volume):
    assert np.nonzero(volume.organs == BONE)[1].mean() > 101 / 2
    assert np.nonzero(volume.organs == LUNG)[2].mean() > np.nonzero(volume.organs == LIVER)[2].mean()


def test_both_lobes_are_on_most_slices():
    axis = np.linspace(-160, 160, 64)
    grid = axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))
    for seed in range(10):
        body = build_anatomy(np.random.default_rng(seed), grid)
        liver = body.organs == LIVER
        assert 0.1 < (liver & (body.lobe_mm > 0)).sum() / liver.sum() < 0.7


def test_depth_grows_to_the_back_from_the_middle_of_the_liver():
    axis = np.linspace(-160, 160, 64)
    body = build_anatomy(np.random.default_rng(0), (axis[:, None, None], axis[None, :, None], np.zeros((1, 1, 1))))
    assert body.depth_mm[body.organs == LIVER].mean() == pytest.approx(0, abs=1e-3)
    assert np.allclose(np.diff(body.depth_mm, axis=1), axis[1] - axis[0], atol=1e-3)


def test_an_ellipsoid_is_one_on_its_surface():
    x, y, z = (np.float32([[[value]]]) for value in (3 + 4 * np.cos(0.3), 5 + 4 * np.sin(0.3), 7))
    assert ellipsoid((x, y, z), (3, 5, 7), (4, 2, 6), angle=0.3).item() == pytest.approx(1, abs=1e-5)
