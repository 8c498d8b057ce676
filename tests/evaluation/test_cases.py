# SPDX-License-Identifier: Apache-2.0
import nibabel as nib
import numpy as np
import pytest

from lsms_monai.evaluation import group_entries, load_case

AXES = ["LPS", "RAS", "ASR", "PIR"]


def turned(array, affine, axes):
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(axes))
    image = nib.orientations.apply_orientation(array, turn)
    return nib.Nifti1Image(image, affine @ nib.orientations.inv_ornt_aff(turn, array.shape))


def write(folder, axes="LPS", label_axes="LPS", **more):
    """A volume whose HU count up and a label with lesions 1 and 4 on slice 2 of 5."""
    affine = np.diag([-1.5, -2.0, 4.0, 1.0])
    image = np.arange(7 * 11 * 5, dtype=np.int16).reshape(7, 11, 5)
    label = np.zeros(image.shape, np.uint8)
    label[1:3, 2:5, 2], label[4:6, 2:5, 2], label[0, 0, :] = 1, 4, 255
    nib.save(turned(image, affine, axes), folder / "image.nii.gz")
    nib.save(turned(label, affine, label_axes), folder / "label.nii.gz")
    paths = {"image": str(folder / "image.nii.gz"), "label": str(folder / "label.nii.gz")}
    return image, label, {**paths, "expression": "the lesion", "label_value": [4], **more}


@pytest.mark.parametrize("axes", AXES)
def test_image_and_label_come_in_lps_order_whatever_the_file(tmp_path, axes):
    image, label, entry = write(tmp_path, axes, "SPR")
    case = load_case([(3, entry)])
    np.testing.assert_array_equal(case.image, image)
    np.testing.assert_array_equal(case.label, np.where(label == 255, 0, label))
    np.testing.assert_allclose(np.diag(case.affine)[:3], [-1.5, -2, 4])
    np.testing.assert_array_equal(case.truth(3), label == 4)


def test_what_nobody_knows_is_no_lesion(tmp_path):
    _, label, entry = write(tmp_path)
    case = load_case([(0, entry)])
    assert case.values == [1, 4]
    np.testing.assert_array_equal(case.known, label != 255)


def rewrite(path, change):
    file = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asanyarray(file.dataobj)), file.affine), path)


def test_a_mask_of_255_alone_is_refused_unless_nothing_is_meant(tmp_path):
    _, _, entry = write(tmp_path, label_value=[])
    rewrite(entry["label"], lambda label: (label > 0) * np.uint8(255))
    assert load_case([(0, entry)]).meant(0) == []
    del entry["label_value"]
    with pytest.raises(ValueError, match=r"entry 5 .*got 255 alone, which means that nobody knows; .* write them as 1"):
        load_case([(5, entry)])


def test_lesions_of_a_label_that_a_slope_has_scaled_stay_apart(tmp_path):
    _, label, entry = write(tmp_path)
    rewrite(entry["label"], lambda values: np.where(values == 4, 3.996, values).astype(np.float32))
    np.testing.assert_array_equal(load_case([(0, entry)]).label, np.where(label == 255, 0, label))


def test_an_image_without_a_finite_voxel_is_named(tmp_path):
    _, _, entry = write(tmp_path)
    rewrite(entry["image"], lambda image: np.full(image.shape, np.nan, np.float32))
    with pytest.raises(ValueError, match=r"entry 7 .*image\.nii\.gz\): image must have finite intensities, got none"):
        load_case([(7, entry)])


@pytest.mark.parametrize("axes", AXES)
def test_a_slice_of_a_volume_is_its_own_world(tmp_path, axes):
    image, label, entry = write(tmp_path, axes, slice_index=2)
    case = load_case([(0, entry)])
    assert case.name == "image.nii.gz#2"
    np.testing.assert_array_equal(case.image[..., 0], image[..., 2])
    np.testing.assert_array_equal(case.truth(0)[..., 0], label[..., 2] == 4)
    assert case.affine[2, 3] == 2 * 4.0


def test_an_entry_means_what_it_lists(tmp_path):
    _, label, entry = write(tmp_path)
    every = {key: value for key, value in entry.items() if key != "label_value"}
    case = load_case([(0, entry), (1, {**entry, "label_value": []}), (2, every)])
    assert [case.meant(number) for number in (0, 1, 2)] == [[4], [], [1, 4]]
    assert not case.truth(1).any()
    np.testing.assert_array_equal(case.truth(2), np.isin(label, [1, 4]))


def test_entries_about_one_image_come_together():
    entries = [{"image": "a", "label": "x"}, {"image": "b", "label": "x"}, {"image": "a", "label": "x"}]
    entries.append({"image": "a", "label": "x", "slice_index": 1})
    numbers = [[number for number, _ in group] for group in group_entries(entries)]
    assert numbers == [[0, 2], [1], [3]]


def test_a_limit_draws_images_by_its_seed():
    entries = [{"image": str(i), "label": "x"} for i in range(50)]
    drawn = [[group[0][0] for group in group_entries(entries, 5, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0])
    assert len(drawn[0]) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_value": [4, 7]}, r"entry 6 \(image.nii.gz\): label_value must be in the label, got \[7\]; it holds"),
        ({"slice_index": 5}, r"entry 6 \(.*\): slice_index must lie in 0..4, got 5"),
        ({"slice_index": 1}, r"label_value must be in the label, got \[4\]; it holds \[\]"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(tmp_path, change, message):
    entry = write(tmp_path)[2]
    with pytest.raises(ValueError, match=message):
        load_case([(6, {**entry, **change})])


def test_a_label_of_another_shape_is_named(tmp_path):
    entry = write(tmp_path)[2]
    nib.save(nib.Nifti1Image(np.zeros((7, 11, 4), np.uint8), np.diag([-1.5, -2.0, 4.0, 1.0])), entry["label"])
    with pytest.raises(ValueError, match=r"entry 6 .* same shape, got \(7, 11, 4\) and \(7, 11, 5\)"):
        load_case([(6, entry)])


@pytest.mark.parametrize("affine", [np.diag([1.5, -2.0, 4.0, 1.0]), np.diag([-1.5, -2.0, 5.0, 1.0])])
def test_a_label_that_lies_elsewhere_in_the_patient_is_named(tmp_path, affine):
    _, label, entry = write(tmp_path)
    nib.save(nib.Nifti1Image(label, affine), entry["label"])
    with pytest.raises(ValueError, match=r"entry 6 .* must lie where its image lies, got corners \d+.0 mm apart"):
        load_case([(6, entry)])


def test_a_file_that_is_broken_is_named(tmp_path):
    entry = write(tmp_path)[2]
    (tmp_path / "image.nii.gz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"entry 6 \(.*image.nii.gz\): "):
        load_case([(6, entry)])
