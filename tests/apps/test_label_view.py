# SPDX-License-Identifier: Apache-2.0
import io

import nibabel as nib
import numpy as np
import pytest
from lib.view import View
from PIL import Image

from lsms_monai.answer import Answer, measure_lesions

SHAPE = (7, 5, 3)
LPS = np.diag((-1.5, -2.0, 4.0, 1.0))


def filled(*lines):
    """Pixels (W, H) inside closed outlines: a ray to the left crosses an odd number of upright lines."""
    inside = np.zeros(SHAPE[:2], bool)
    for x1, y1, x2, y2 in lines:
        if x1 == x2:
            inside[x1:, min(y1, y2) : max(y1, y2)] ^= True
    return inside


def test_a_contour_encloses_the_pixels_of_the_mask_and_no_other():
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    mask[:, :, 1] = False
    contours = View(np.zeros(SHAPE), LPS).contours(mask)
    assert set(contours) == {0, 2}
    for number, lines in contours.items():
        np.testing.assert_array_equal(filled(*lines), mask[:, :, number])


def test_the_outline_of_a_box_has_four_lines():
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 1:3, 1] = True
    lines = View(np.zeros(SHAPE), LPS).contours(mask)[1]
    assert {tuple(line) for line in lines} == {(2, 1, 2, 3), (5, 1, 5, 3), (2, 1, 5, 1), (2, 3, 5, 3)}


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SAL", "PIR"])
def test_a_slice_shows_the_patients_right_on_the_left_however_it_is_stored(axes):
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    from_lps = nib.orientations.ornt_transform(nib.io_orientation(LPS), nib.orientations.axcodes2ornt(tuple(axes)))
    stored = nib.orientations.apply_orientation(values, from_lps)
    affine = LPS @ nib.orientations.inv_ornt_aff(from_lps, SHAPE)
    view = View(stored, affine)
    np.testing.assert_array_equal(view.image, values)
    assert view.to_dict() == {"num_slices": 3, "width": 7, "height": 5, "width_mm": 7 * 1.5, "height_mm": 5 * 2.0}


def test_a_slice_is_a_png_from_black_to_white():
    image = np.linspace(-300, 500, np.prod(SHAPE)).reshape(SHAPE)
    pixels = np.asarray(Image.open(io.BytesIO(View(image, LPS).slice_png(1, -100, 300))))
    expected = np.round(255 * np.clip((image[:, :, 1].T + 100) / 400, 0, 1))
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("number", [-1, 3])
def test_a_slice_that_does_not_exist_is_refused(number):
    with pytest.raises(ValueError, match=rf"slice must lie in 0..2, got {number}"):
        View(np.zeros(SHAPE), LPS).slice_png(number, 0, 1)


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="lower end of the window must lie below the upper one, got 2 and 2"):
        View(np.zeros(SHAPE), LPS).slice_png(0, 2, 2)


@pytest.mark.parametrize(("columns", "side"), [(slice(0, 2), "right"), (slice(3, 4), "middle"), (slice(5, 7), "left")])
def test_the_side_is_the_patients(columns, side):
    mask = np.zeros(SHAPE, bool)
    mask[columns, 1:4, 1] = True
    lesions = measure_lesions(mask, np.zeros(SHAPE), mask.astype(np.float32), LPS)
    view = View(np.zeros(SHAPE), LPS)
    assert view.side(Answer("the lesion", mask, lesions)) == side
    assert view.largest_slice(mask) == 1


def test_what_was_not_found_has_no_side_and_no_slice():
    mask, view = np.zeros(SHAPE, bool), View(np.zeros(SHAPE), LPS)
    assert view.side(Answer("the lesion", mask, [])) is None
    assert view.largest_slice(mask) is None
    assert view.contours(mask) == {}
