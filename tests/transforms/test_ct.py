# SPDX-License-Identifier: Apache-2.0
import math
import warnings

import nibabel
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Invertd, LoadImaged, Orientationd, Spacingd

from lsms_monai.data import CTReader
from lsms_monai.keys import INSIDE_ORGAN, MEANT, NO_LESION, NOT_MEANT, OUTSIDE_ORGAN, UNKNOWN, UNKNOWN_VALUE
from lsms_monai.transforms import (
    CheckCTd,
    ResampleKeysd,
    SelectSliced,
    SelectTargetd,
    StackAdjacentSlicesd,
    StraightenTiltd,
)
from lsms_monai.transforms.select_fn import any_slice_shows


@pytest.mark.parametrize("shape", [(3, 7, 11, 5), (1, 7, 11), (2, 1, 7, 11, 5)])
def test_what_is_not_one_volume_is_refused(shape):
    message = (
        rf"image must have shape \(1, W, H, D\), got \({', '.join(map(str, shape))}\); give one CT volume or slice"
    )
    with pytest.raises(ValueError, match=message):
        CheckCTd()({"image": torch.zeros(shape)})


def test_a_volume_without_any_finite_voxel_is_refused():
    with pytest.raises(ValueError, match="image must have finite intensities, got none; the file holds no CT"):
        CheckCTd()({"image": torch.full((1, 7, 11, 5), float("nan"))})


def test_voxels_that_are_no_numbers_become_the_lowest_intensity_with_a_warning(image, affine):
    broken = image.clone()
    broken[0, 0, 0, :3] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    with pytest.warns(UserWarning, match="image has 3 voxels that are NaN or infinite; they are set to .* -1000"):
        checked = CheckCTd()({"image": broken})["image"]
    assert checked[0, 0, 0].tolist() == [-1000.0, -1000.0, -1000.0, -997.0, -996.0]
    assert torch.equal(checked[0, 1:].as_tensor(), image[0, 1:].as_tensor())
    assert torch.equal(checked.affine, affine)


def test_intensities_that_are_not_hounsfield_units_are_told(image):
    with pytest.warns(UserWarning, match=r"intensities lie in 24\.\.1088, a CT in Hounsfield units reaches below -200"):
        CheckCTd()({"image": image + 1024})


def test_a_ct_passes_without_a_word(image):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(CheckCTd()({"image": image})["image"], image)


def test_each_slice_gets_its_neighbours_and_ends_are_repeated(image):
    stacked = StackAdjacentSlicesd(num_adjacent=2)({"image": image})["image"]
    assert stacked.shape == (5, 7, 11, 5)
    # The intensity of the body says which slice it is.
    assert (stacked[:, 3, 5] - 60).T.tolist() == [
        [0, 0, 0, 1, 2],
        [0, 0, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 4],
        [2, 3, 4, 4, 4],
    ]


def test_a_single_slice_is_its_own_neighbour(image):
    stacked = StackAdjacentSlicesd(num_adjacent=1)({"image": image[..., 2:3]})["image"]
    assert (stacked[:, 3, 5, 0] - 60).tolist() == [2, 2, 2]


def test_without_neighbours_nothing_is_stacked(image, affine):
    stacked = StackAdjacentSlicesd(num_adjacent=0)({"image": image})["image"]
    assert torch.equal(stacked, image)
    assert torch.equal(stacked.affine, affine)


@pytest.mark.parametrize(
    ("value", "meant", "others"),
    [(1, [1], [4]), (4, [4], [1]), ([4], [4], [1]), ([1, 4], [1, 4], []), ([], [], [1, 4]), (None, [1, 4], [])],
)
def test_the_target_is_what_the_values_mean_and_the_others_are_the_rest(label, value, meant, others):
    code = SelectTargetd()({"label": label, "label_value": value})["label"].as_tensor()
    for expected, values in ((NO_LESION, [0]), (MEANT, meant), (NOT_MEANT, others)):
        assert torch.equal(code == expected, torch.isin(label.as_tensor(), torch.tensor(values, dtype=label.dtype)))
    assert code.dtype == torch.float32


@pytest.mark.parametrize("value", [None, [4], []])
def test_where_nothing_is_known_nothing_is_a_lesion(label, value):
    label = label.clone()
    label[:, :3] = UNKNOWN_VALUE
    code = SelectTargetd()({"label": label, "label_value": value})["label"]
    assert torch.equal(code.as_tensor() == UNKNOWN, label.as_tensor() == UNKNOWN_VALUE)
    with pytest.raises(ValueError, match="got \\[255\\]"):
        SelectTargetd()({"label": label, "label_value": UNKNOWN_VALUE})


def test_an_organ_divides_what_is_no_lesion(label):
    label, organ = label.clone(), torch.zeros_like(label)
    label[:, :3] = UNKNOWN_VALUE
    organ[:, 2:6] = 1
    sample = SelectTargetd()({"label": label, "organ": organ, "label_value": 4})
    plain = SelectTargetd()({"label": label, "label_value": 4})["label"].as_tensor()
    expected = torch.where(plain == NO_LESION, torch.where(organ > 0, INSIDE_ORGAN, OUTSIDE_ORGAN), plain)
    assert torch.equal(sample["label"].as_tensor(), expected)
    assert {INSIDE_ORGAN, OUTSIDE_ORGAN, MEANT, NOT_MEANT, UNKNOWN} == {*expected.unique().int().tolist()}
    assert "organ" not in sample


def test_an_organ_of_another_shape_is_refused(label):
    message = r"organ and image must have the same shape, got \(7, 11, 4\) and \(7, 11, 5\); resample it"
    with pytest.raises(ValueError, match=message):
        SelectTargetd()({"label": label, "organ": label[..., :4]})


@pytest.mark.parametrize(("value", "missing"), [(2, r"\[2\]"), ([1, 3, 7], r"\[3, 7\]"), (0, r"\[0\]")])
def test_a_value_that_does_not_occur_is_refused(label, value, missing):
    message = rf"label_value must be 1 or more and in the label, got {missing}; it holds \[0, 1, 4\]"
    with pytest.raises(ValueError, match=message):
        SelectTargetd()({"label": label, "label_value": value})


def test_a_value_that_another_slice_holds_is_refused(label):
    sample = {"label": torch.where(label == 4, 0, label).index_fill(-1, torch.tensor(0), 4), "label_value": 4}
    assert (SelectTargetd()({**sample, "slice_index": 0})["label"] == MEANT).any()
    with pytest.raises(ValueError, match=r"in slice 3 of the label, got \[4\]; it holds \[0"):
        SelectTargetd()({**sample, "slice_index": 3})


def test_label_and_image_of_different_shape_are_refused(image, label):
    message = r"label and image must have the same shape, got \(7, 11, 4\) and \(7, 11, 5\); resample it"
    with pytest.raises(ValueError, match=message):
        SelectTargetd()({"image": image, "label": label[..., :4]})


def test_stacked_images_still_fit_their_label(image, label):
    stacked = StackAdjacentSlicesd()({"image": image, "label": label})
    assert SelectTargetd()(stacked)["label"].any()


def test_another_key_may_hold_the_label(label):
    sample = SelectTargetd(label_key="mask")({"mask": label, "label_value": 1})
    assert {*sample} == {"mask"}


@pytest.mark.parametrize(
    ("value", "slice_index", "expected"), [(None, 4, 4), (None, 0, 0), (1, None, 2), (4, None, 3), ([], None, 2)]
)
def test_the_slice_is_the_wished_or_that_of_the_largest_area_or_the_middle(image, label, value, slice_index, expected):
    sample = SelectTargetd()({"image": image, "label": label, "label_value": value, "slice_index": slice_index})
    cut = SelectSliced(keys=["image", "label"])(sample)
    for key in ("image", "label"):
        assert torch.equal(cut[key].as_tensor(), sample[key].as_tensor()[..., expected : expected + 1])
        assert cut[key].affine[:3, 3].tolist() == [70.0, 110.0, -40.0 + 5 * expected]


@pytest.mark.parametrize("slice_index", [5, -1])
def test_a_slice_that_does_not_exist_is_refused(image, label, slice_index):
    with pytest.raises(ValueError, match=rf"slice_index must lie in 0\.\.4, got {slice_index}"):
        SelectSliced(keys="image")({"image": image, "label": label, "slice_index": slice_index})


def test_a_slice_of_all_channels_is_cut(image, label):
    stacked = StackAdjacentSlicesd()({"image": image, "label": label, "slice_index": 1})
    assert SelectSliced(keys="image")(stacked)["image"].shape == (3, 7, 11, 1)


def save(folder, name, volume, affine):
    nibabel.save(nibabel.Nifti1Image(volume[0].numpy(), affine.numpy()), folder / f"{name}.nii.gz")
    return str(folder / f"{name}.nii.gz")


@pytest.mark.parametrize("label_value", [4, [4]])
def test_selected_targets_of_nifti_files_can_be_resampled(image, label, affine, tmp_path, label_value):
    # MONAI's Spacingd takes keys that begin with "label_" for meta data of the label, and then fails.
    sample = {name: save(tmp_path, name, volume, affine) for name, volume in (("image", image), ("label", label))}
    keys = ["image", "label"]
    transform = Compose(
        [
            LoadImaged(keys=keys, reader=CTReader, ensure_channel_first=True, image_only=True),
            Orientationd(keys=keys, axcodes="LPS", labels=None),
            SelectTargetd(),
            Spacingd(keys=keys, pixdim=(1.0, 1.5, -1.0), mode=("bilinear", "nearest")),
        ]
    )
    result = transform({**sample, "label_value": label_value})
    assert all(isinstance(result[key], MetaTensor) for key in keys)
    assert {result[key].shape for key in keys} == {(1, 13, 21, 5)}
    for code, slices in ((MEANT, [False, False, False, True, False]), (NOT_MEANT, [False, True, True, True, False])):
        assert (result["label"] == code).any(dim=1).any(dim=1)[0].tolist() == slices


def test_resampling_leaves_other_keys_alone_whatever_their_name(image, affine, tmp_path):
    path = save(tmp_path, "image", image, affine)
    sample = LoadImaged(keys="image", reader=CTReader, ensure_channel_first=True)({"image": path, "image_path": path})
    expected = Spacingd(keys="image", pixdim=(1.0, 1.5, -1.0))({"image": sample["image"]})["image"]
    result = ResampleKeysd(keys="image", pixdim=(1.0, 1.5, -1.0))(sample)
    assert torch.equal(result["image"].as_tensor(), expected.as_tensor())
    assert result["image_path"] == path


def test_the_air_beside_the_patient_is_cut_off_and_no_slice_and_the_cut_can_be_undone():
    image = torch.zeros(1, 20, 30, 4)
    image[0, 6:9, 10, 1], image[0, 8, 14, 3] = 0.5, 1.0
    crop = CropForegroundd(keys="image", source_key="image", select_fn=any_slice_shows)
    cut = crop({"image": MetaTensor(image)})
    assert torch.equal(cut["image"].as_tensor(), image[:, 6:9, 10:15])
    assert torch.equal(crop.inverse(cut)["image"].as_tensor(), image)


def test_what_shows_nothing_stays_whole():
    image = MetaTensor(torch.zeros(1, 20, 30, 4))
    crop = CropForegroundd(keys="image", source_key="image", select_fn=any_slice_shows)
    assert crop({"image": image})["image"].shape == image.shape


@pytest.mark.parametrize("degrees", [-20, 0, 20])
@pytest.mark.parametrize("axcodes", ["LPS", "RAS"])
def test_slices_of_a_tilted_gantry_are_not_blended_and_a_mask_returns_to_where_they_were(degrees, axcodes):
    tilt = math.radians(degrees)
    affine = torch.diag(torch.tensor([-0.8, -0.8, 5.0, 1.0], dtype=torch.float64))
    affine[:3, 1] = torch.tensor([0.0, -0.8 * math.cos(tilt), 0.8 * math.sin(tilt)], dtype=torch.float64)
    volume = torch.zeros(1, 30, 40, 7)
    volume[..., 3] = 100
    turn = Orientationd(keys="image", axcodes=axcodes, labels=None)
    image = turn({"image": MetaTensor(volume, affine=affine)})["image"]
    transform = Compose([StraightenTiltd(keys="image"), Spacingd(keys="image", pixdim=(1.6, 1.6, -1.0))])
    result = transform({"image": image})
    assert result["image"].amax(dim=(0, 1, 2)).tolist() == [0, 0, 0, 100, 0, 0, 0]
    steps = result["image"].affine[:3, :3].norm(dim=0).tolist()
    assert steps == pytest.approx([1.6, 1.6, 5 * math.cos(tilt)])
    mask = Invertd(keys="pred", transform=transform, orig_keys="image", nearest_interp=False)(
        {**result, "pred": MetaTensor(result["image"].as_tensor())}
    )["pred"]
    torch.testing.assert_close(mask.affine, image.affine)
    torch.testing.assert_close(mask.as_tensor(), image.as_tensor())


def test_a_label_that_lies_elsewhere_is_refused(image, label, affine):
    shifted = affine.clone()
    shifted[0, 3] += 300
    message = "label must lie where its image lies, got corners 300.0 mm apart; resample it onto the image"
    with pytest.raises(ValueError, match=message):
        SelectTargetd()({"image": image, "label": MetaTensor(torch.as_tensor(label.as_tensor()), affine=shifted)})
