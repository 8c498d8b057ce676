# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lsms_monai.data import scan as scan_module
from lsms_monai.data.scan import Scanner, draw_scanner, scan


def images_of(hu, number, spacing=(1.5, 1.5, 5.0)):
    generators = [np.random.default_rng(seed) for seed in range(number)]
    return [scan(generator, hu, spacing, draw_scanner(generator)) for generator in generators]


@pytest.fixture(scope="module")
def water():
    return images_of(np.full((64, 80, 1), 40, np.float32), 60)


def test_noise_has_many_strengths_and_no_bias(water):
    noise = np.array([image.std() for image in water])
    assert 3.5 < noise.min() < 6
    assert 18 < noise.max() < 40
    assert np.mean(water) == pytest.approx(40, abs=1)


def test_noise_has_many_textures(water):
    """Neighbours of fine noise have little in common, of coarse noise much."""
    alike = [np.corrcoef(image[1:].ravel(), image[:-1].ravel())[0, 1] for image in water]
    assert min(alike) < 0.05
    assert max(alike) > 0.4


def test_an_edge_is_blurred_where_it_is():
    hu = np.full((64, 64, 1), -100, np.float32)
    hu[32:] = 100
    profile = np.mean(images_of(hu, 40), axis=0)[16:48, :, 0].mean(axis=1)
    assert profile[:12] == pytest.approx(-100, abs=6)
    assert profile[20:] == pytest.approx(100, abs=6)
    assert profile[15] == pytest.approx(-profile[16], abs=12)


def test_streaks_leave_the_air_alone(monkeypatch):
    hu = np.full((64, 64, 1), -1000, np.float32)
    hu[16:48, 16:48] = 40
    for seed in range(10):
        streaks = scan_module._streaks(np.random.default_rng(seed), hu, (1.5, 1.5, 5.0))
        assert not streaks[hu < -500].any()
        assert streaks[hu > -500].std() > 0.5


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 4, 1), (61, 53, 7)])
def test_any_grid_can_be_scanned(shape):
    for seed in range(15):
        generator = np.random.default_rng(seed)
        image = scan(generator, np.zeros(shape, np.float32), (1.0, 2.0, 5.0), draw_scanner(generator))
        assert image.shape == shape
        assert image.dtype == np.int16


def test_a_volume_has_noise_of_its_own_on_every_slice():
    images = images_of(np.zeros((64, 64, 2), np.float32), 15)
    alike = [np.corrcoef(image[..., 0].ravel(), image[..., 1].ravel())[0, 1] for image in images]
    assert np.median(np.abs(alike)) < 0.1


def test_the_ratio_of_signal_to_noise_is_that_of_the_matched_filter():
    """In many images with a known change, the best linear detector's mean over its standard deviation."""
    change = np.zeros((24, 24, 2), np.float32)
    change[8:14, 9:15, 1] = -12
    generator, noise_hu = np.random.default_rng(0), 20.0
    responses = [((change + generator.normal(0, noise_hu, change.shape)) * change).sum() for _ in range(4000)]
    measured = np.mean(responses) / np.std(responses)
    assert Scanner(0.0, noise_hu).signal_to_noise(change) == pytest.approx(measured, rel=0.05)


def test_blur_takes_signal_from_small_things_most():
    small, large = np.zeros((2, 60, 60, 1), np.float32)
    small[29:31, 29:31], large[15:45, 15:45] = 50, 50

    def kept(change):
        scanner = Scanner(1.7, 10.0)
        return scanner.signal_to_noise(scanner.blurred(change, (2.0, 2.0, 5.0))) / scanner.signal_to_noise(change)

    assert kept(small) < 0.8 < 0.95 < kept(large) < 1


def test_no_change_is_no_signal():
    assert Scanner(1.0, 10.0).signal_to_noise(np.zeros((4, 4, 0))) == 0
    assert Scanner(1.0, 0.0).signal_to_noise(np.zeros((4, 4, 1))) == 0
