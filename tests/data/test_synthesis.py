# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from lsms_monai.data.anatomy import LIVER
from lsms_monai.data.phantom import phantom
from lsms_monai.data.synthesis import _noise, suspicious, synthesize
from lsms_monai.keys import UNKNOWN_VALUE

SPACING = (2.0, 2.0, 5.0)


@pytest.fixture(scope="module")
def livers():
    """A slice without lesions and its liver, several times."""
    made = [phantom((seed, 1), num_lesions=0, region="liver", shape=(208, 160, 1)) for seed in range(12)]
    return [(x.image, x.organs == LIVER) for x in made if (x.organs == LIVER).sum() > 2000]


def test_lesions_lie_in_the_liver_and_nothing_else_changes(livers):
    for seed, (image, liver) in enumerate(livers):
        made = synthesize(image, liver, SPACING, np.random.default_rng(seed), 3)
        placed = (made.labels > 0) & (made.labels != UNKNOWN_VALUE)
        assert made.lesions
        assert not (placed & ~liver).any()
        assert {int(value) for value in np.unique(made.labels[placed])} == {x.value for x in made.lesions}
        far = ndimage.distance_transform_edt(~placed, sampling=SPACING) > 8
        np.testing.assert_allclose(made.image[far], image[far], atol=1e-3)


def test_lesions_look_as_they_are_called_and_keep_the_noise_of_the_image(livers):
    for seed, (image, liver) in enumerate(livers):
        made = synthesize(image, liver, SPACING, np.random.default_rng(seed), 3)
        liver_hu = np.median(image[liver])
        for lesion in (x for x in made.lesions if x.diameter_mm > 20 and x.kind in ("cyst", "hypodense", "hyperdense")):
            core = ndimage.binary_erosion(made.labels == lesion.value, np.ones((3, 3, 1)), iterations=2)
            assert (np.median(made.image[core]) > liver_hu) == (lesion.kind == "hyperdense")
            assert made.image[core].std() > 0.5 * image[core].std()


def test_sides_are_told_only_far_from_the_plane_between_the_lobes(livers):
    sides = []
    for seed, (image, liver) in enumerate(livers):
        made = synthesize(image, liver, SPACING, np.random.default_rng(seed), 4)
        sides += [(lesion.side, lesion.centroid_mm[0]) for lesion in made.lesions]
    right, left = ([x for told, x in sides if told == side] for side in ("right", "left"))
    assert min(len(right), len(left)) > 3
    assert np.mean(right) > np.mean(left) + 40  # R is +x


def test_lesions_that_were_there_are_found_and_left_alone(livers):
    image, liver = livers[0]
    centre = np.argwhere(ndimage.distance_transform_edt(liver[..., 0]) > 12)[0]
    x, y = np.ogrid[: image.shape[0], : image.shape[1]]
    distance_mm = 2 * np.hypot(x - centre[0], y - centre[1])
    there = (distance_mm < 12)[..., None]
    ill = np.where(there & liver, image - 50, image)
    taken, liver_hu = suspicious(ill, liver, SPACING)
    assert taken[there & liver].mean() > 0.9
    assert liver_hu == pytest.approx(np.median(image[liver]), abs=5)
    made = synthesize(ill, liver, SPACING, np.random.default_rng(0), 5)
    assert (made.labels[there & taken] == UNKNOWN_VALUE).all()


def test_a_body_that_is_cut_off_has_no_sides_and_is_not_used(livers):
    image, liver = livers[0]
    inside = np.flatnonzero(liver.any(axis=(1, 2)))[[0, -1]]
    cut = np.s_[inside[0] : inside[1], :, :]
    assert synthesize(image[cut], liver[cut], SPACING, np.random.default_rng(0)) is None


def test_an_empty_liver_or_another_shape_is_refused(livers):
    image, liver = livers[0]
    for mask in (np.zeros_like(liver), liver[1:]):
        with pytest.raises(ValueError, match=r"image and liver must be \(W, H, D\) of one shape, the liver not empty"):
            synthesize(image, mask, SPACING, np.random.default_rng(0))


def test_vessels_and_the_edge_of_the_liver_do_not_show_through_lesions(livers):
    image, liver = livers[0]
    flat = np.where(liver, 100.0, -100.0) + np.random.default_rng(0).normal(0, 10, image.shape)
    flat[:, ::8][liver[:, ::8]] += 90
    noise = _noise(flat, liver, SPACING)
    edge = liver & (ndimage.distance_transform_edt(liver, sampling=(2, 2, 1e6)) < 3)
    assert abs(noise[edge].mean()) < 5
    assert noise.max() < 60
    assert not noise[~liver].any()


def test_lesions_that_people_know_are_named_and_nothing_else_is_unknown(livers):
    image, liver = livers[0]
    centre = np.argwhere(ndimage.distance_transform_edt(liver[..., 0]) > 12)[0]
    x, y = np.ogrid[: image.shape[0], : image.shape[1]]
    there = (2 * np.hypot(x - centre[0], y - centre[1]) < 12)[..., None]
    ill = np.where(there, image - 50, image)
    known = np.where(there, 1, 0).astype(np.uint8)
    for seed in range(4):
        made = synthesize(ill, liver, SPACING, np.random.default_rng(seed), 2, known=known)
        assert ((made.labels == 1) == there).all()
        assert made.lesions[0].value == 1
        assert made.lesions[0].kind in ("hypodense", "cyst")
        assert set(np.unique(made.labels)) == {0, *(lesion.value for lesion in made.lesions)}
        np.testing.assert_allclose(made.image[there], ill[there], atol=1e-3)
