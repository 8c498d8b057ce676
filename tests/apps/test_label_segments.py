# SPDX-License-Identifier: Apache-2.0
import nibabel
import numpy as np
import pytest
import SimpleITK
from lib.segments import disagreement, label_map, write_label_map

from lsms_monai.answer import Answer
from lsms_monai.data import CTReader

# oblique, anisotropic, stored in LPS order
COSINE, SINE = np.cos(0.3), np.sin(0.3)
AFFINE = np.array(
    [[-0.8 * COSINE, 0.9 * SINE, 0, 40], [-0.8 * SINE, -0.9 * COSINE, 0, 50], [0, 0, 5.0, -60], [0, 0, 0, 1]]
)


def answer(expression, *box, shape=(7, 5, 3)):
    mask = np.zeros(shape, bool)
    if box:
        mask[tuple(slice(*ends) for ends in box)] = True
    return Answer(expression, mask, [])


def test_each_expression_that_is_found_is_a_named_segment():
    first, second = answer("the cyst", (0, 2), (0, 2), (0, 1)), answer("the other", (4, 6), (2, 4), (1, 2))
    labels, values, notes = label_map([first, second])
    assert values == {"the cyst": 1, "the other": 2}
    np.testing.assert_array_equal(labels, first.mask + 2 * second.mask)
    assert notes == []


def test_what_is_not_found_leaves_no_gap_in_the_values():
    labels, values, _ = label_map([answer("nothing"), answer("the cyst", (0, 2), (0, 2), (0, 1))])
    assert values == {"the cyst": 1}
    assert set(np.unique(labels)) == {0, 1}


def test_a_small_segment_stays_visible_inside_a_large_one():
    small, large = answer("the cyst", (1, 2), (1, 2), (1, 2)), answer("all lesions", (0, 4), (0, 4), (0, 3))
    for answers in ([small, large], [large, small]):
        labels, values, notes = label_map(answers)
        assert (labels == values["the cyst"]).sum() == small.mask.sum()
        assert [note for note in notes if "“all lesions”: 1 voxels of it lies under another segment" in note]


def test_of_two_equal_segments_the_first_is_kept_and_the_other_is_mentioned():
    box = ((0, 2), (0, 2), (0, 1))
    labels, values, notes = label_map([answer("a", *box), answer("b", *box)])
    assert values == {"a": 1}
    assert labels.max() == 1
    assert "“b”: all of it lies under another segment" in notes[0]


@pytest.mark.parametrize("extension", [".nii.gz", ".nii", ".nrrd"])
def test_a_written_label_map_lies_where_the_image_lies(extension):
    labels, *_ = label_map([answer("a", (1, 3), (0, 4), (1, 2)), answer("b", (5, 7), (2, 3), (0, 3))])
    path = write_label_map(labels, AFFINE, extension, "uint8")
    reader = CTReader()
    voxels, meta = reader.get_data(reader.read(path))
    path.unlink()
    np.testing.assert_array_equal(voxels, labels)
    np.testing.assert_allclose(meta["affine"], AFFINE, atol=1e-3)


def test_a_label_map_has_the_voxel_type_asked_for():
    labels, *_ = label_map([answer("a", (1, 3), (0, 4), (1, 2))])
    nifti, nrrd = (write_label_map(labels, AFFINE, extension, "int16") for extension in (".nii.gz", ".nrrd"))
    assert nibabel.load(nifti).get_data_dtype() == np.int16
    assert SimpleITK.ReadImage(str(nrrd)).GetPixelID() == SimpleITK.sitkInt16
    nifti.unlink()
    nrrd.unlink()


def test_disagreement_is_one_minus_the_mean_dice_of_all_pairs():
    a, b = np.zeros(8, bool), np.zeros(8, bool)
    a[:4], b[2:4] = True, True
    empty = np.zeros(8, bool)
    dice = 2 * 2 / (4 + 2)
    assert disagreement([a, b]) == pytest.approx(1 - dice)
    assert disagreement([a, b, empty]) == pytest.approx(1 - (dice + 0 + 0) / 3)
    assert disagreement([a, a, a]) == 0
    assert disagreement([empty, empty]) == 0
