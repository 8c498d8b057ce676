# SPDX-License-Identifier: Apache-2.0
"""What a person sees: side, slice, contour, scale and words, whatever the geometry of the file."""

import numpy as np
import pytest

from lsms_monai.answer import Answer, measure_lesions
from lsms_monai.overlay import _CONTOUR, _FOUND, _MARK, _NOT_FOUND, VIEW_PX, _font, _wrap, draw_overlay

LPS = np.diag([-1.0, -1.0, 5.0, 1.0])


def scene(shape=(60, 50, 7), box=np.s_[5:15, 20:30, 2:4], affine=LPS):
    image = np.full(shape, 50, np.int16)
    mask = np.zeros(shape, bool)
    mask[box] = True
    image[box] = 120
    return image, affine, mask


def draw(image, affine, mask, expression="the lesion"):
    lesions = measure_lesions(mask, image, np.ones(mask.shape, np.float32), affine)
    return np.asarray(draw_overlay(image, affine, Answer(expression, mask, lesions))).astype(int)


def pixels_of(picture, colour, tolerance=12):
    return np.argwhere((abs(picture[: VIEW_PX - 150] - colour) <= tolerance).all(axis=-1))


def test_the_patients_right_is_on_the_left_and_the_front_is_up():
    contour = pixels_of(draw(*scene(box=np.s_[5:15, 5:15, 2:4])), _CONTOUR)  # LPS: small i is right, small j front
    assert contour[:, 1].max() < VIEW_PX / 2
    assert contour[:, 0].max() < VIEW_PX * 50 / 60 / 2


@pytest.mark.parametrize(
    ("order", "flip"),
    [((0, 1, 2), (0, 1)), ((2, 0, 1), ()), ((1, 2, 0), (0, 1, 2)), ((2, 1, 0), (2,)), ((0, 2, 1), (1,))],
)
def test_the_picture_is_the_same_for_every_order_of_the_axes(order, flip):
    image, affine, mask = scene()
    expected = draw(image, affine, mask)
    moved = affine[:, [*order, 3]].copy()
    for axis in flip:
        moved[:3, 3] += moved[:3, axis] * (image.transpose(order).shape[axis] - 1)
        moved[:3, axis] *= -1
    picture = draw(np.flip(image.transpose(order), flip), moved, np.flip(mask.transpose(order), flip))
    num_rows = 600  # the slice; the words below name another slice number when the order of slices is turned
    np.testing.assert_array_equal(picture[:num_rows], expected[:num_rows])


def test_unequal_pixel_sizes_are_made_equal():
    affine = np.diag([-1.0, -2.0, 5.0, 1.0])
    contour = pixels_of(draw(*scene((60, 30, 5), np.s_[20:40, 10:20, 1:3], affine)), _CONTOUR)
    height, width = np.ptp(contour, axis=0)
    assert height == pytest.approx(width, abs=3)


def test_the_contour_leaves_the_lesion_as_it_is():
    image, affine, mask = scene()
    found, empty = draw(image, affine, mask), draw(image, affine, mask & False)
    contour = pixels_of(found, _CONTOUR)
    (top, left), (bottom, right) = contour.min(axis=0), contour.max(axis=0)
    inner = np.s_[top + 8 : bottom - 8, left + 8 : right - 8]
    assert found[inner].size > 0
    image[:] = image[:, :, [2]]
    np.testing.assert_array_equal(found[inner], draw(image, affine, mask & False)[inner])
    assert len(pixels_of(empty, _CONTOUR)) == 0


def test_the_slice_with_the_largest_area_is_shown():
    image, affine, mask = scene()
    image[:, :, 5] = -60
    mask[30:50, 20:40, 5] = True
    picture = draw(image, affine, mask)
    grey = round(255 * (-60 - -60) / 285)
    assert abs(picture[50, 300] - grey).max() <= 2


def test_a_large_matrix_still_shows_a_single_voxel():
    affine = np.diag([-0.2, -0.2, 5.0, 1.0])
    picture = draw(*scene((1501, 1501, 1), np.s_[700:701, 700:701], affine))
    assert len(pixels_of(picture, _CONTOUR, tolerance=60)) > 0


def test_a_small_part_beside_a_large_one_is_not_smoothed_away():
    image, affine, mask = scene((400, 400, 1), np.s_[50:150, 50:150])
    mask[301, 203] = True
    assert pixels_of(draw(image, affine, mask), _CONTOUR, tolerance=60)[:, 1].max() > VIEW_PX * 0.7


def test_not_found_is_said_in_another_colour_under_the_middle_slice():
    image, affine, mask = scene()
    image[:, :, 3] = 225
    image[0, 0, 3] = -100
    picture = draw(image, affine, mask & False)
    assert (picture[100, 300] == 255).all()
    caption = picture[600:]
    assert (caption == _NOT_FOUND).all(axis=-1).any()
    assert not (caption == _FOUND).all(axis=-1).any()
    assert (draw(image, affine, mask)[600:] == _FOUND).all(axis=-1).any()


@pytest.mark.parametrize(("spacing_mm", "length_mm"), [(1.0, 10), (5.0, 50)])
def test_the_scale_bar_has_its_length(spacing_mm, length_mm):
    affine = np.diag([-spacing_mm, -spacing_mm, 5.0, 1.0])
    picture = draw(*scene((60, 60, 3), np.s_[5:9, 5:9, 1:2], affine))
    bar = np.flatnonzero((picture[VIEW_PX - 16] == _MARK).all(axis=-1))
    assert np.ptp(bar) == pytest.approx(length_mm * VIEW_PX / (60 * spacing_mm), abs=4)


def test_both_sides_are_marked():
    marks = pixels_of(draw(*scene()), _MARK)[:, 1]
    assert (marks < 60).any()
    assert (marks > VIEW_PX - 60).any()


@pytest.mark.parametrize("shape", [(1, 64, 40), (64, 1, 40), (1, 1, 1)])
def test_thin_images_can_be_drawn(shape):
    image, affine, mask = scene(shape, np.s_[:1, :1, :1])
    assert draw(image, affine, mask).shape[1] == VIEW_PX


def test_voxels_without_a_number_can_be_drawn():
    image, affine, mask = scene()
    image = image.astype(np.float32)
    image[:20], image[20:30], image[30:40] = np.nan, np.inf, -np.inf
    draw(image, affine, mask)


def test_a_long_expression_is_wrapped_inside_the_picture_and_cut():
    font = _font(20)
    assert _wrap("the  largest\nlesion", font, 600) == ["the largest lesion"]
    lines = _wrap("cyst " * 30 + "x" * 4000, font, 600)
    assert len(lines) == 5
    assert lines[-1].endswith("…")
    assert all(font.getlength(line) <= 600 for line in lines)


def test_the_picture_says_how_the_words_were_resolved():
    image, affine, mask = scene()
    lesions = measure_lesions(mask, image, np.ones(mask.shape, np.float32), affine)
    plain = draw_overlay(image, affine, Answer("the lesion", mask, lesions))
    told = draw_overlay(
        image, affine, Answer("the lesion", mask, lesions, resolution="The one found for “all lesions”.")
    )
    assert told.height == pytest.approx(plain.height + 14 * 1.4, abs=1)  # one line more
