# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lsms_monai.data.attributes import describe_lesions
from lsms_monai.data.diameter import longest_diameter, round_diameter
from lsms_monai.data.phantom import phantom


def ellipse(width, height, step=1.0):
    x, y = np.ogrid[-40:40:step, -40:40:step]
    return ((2 * x / width) ** 2 + (2 * y / height) ** 2 < 1)[..., None]


def test_an_ellipse_is_as_round_as_the_circle_of_its_area_and_as_long_as_its_axis():
    mask = np.concatenate([ellipse(60, 14), ellipse(20, 20)], axis=2)
    assert round_diameter(mask, 1.0) == pytest.approx(np.sqrt(60 * 14), rel=0.02)
    assert longest_diameter(mask, np.eye(3)[:, :2]) == pytest.approx(60, rel=0.02)


def test_each_axis_counts_by_the_size_of_its_pixels():
    assert round_diameter(ellipse(60, 14), 0.25) == pytest.approx(np.sqrt(60 * 14) / 2, rel=0.02)
    assert longest_diameter(ellipse(30, 30), np.diag((0.5, 2.0, 1.0))[:, :2]) == pytest.approx(60, rel=0.03)


def test_attributes_of_phantoms_and_of_label_maps_hold_both():
    made = phantom(5, num_lesions=3, shape=(256, 256, 1), spacing=(1.5, 1.5, 5.0))
    affine = np.diag((-1.5, -1.5, 5.0, 1.0))
    measured = {lesion.value: lesion for lesion in describe_lesions(made.image, made.labels, affine)}
    assert made.lesions
    for lesion in made.lesions:
        assert lesion.diameters_mm == measured[lesion.value].diameters_mm
        assert lesion.longest_mm == pytest.approx(
            longest_diameter(made.labels == lesion.value, affine[:3, :2]), abs=0.1
        )
