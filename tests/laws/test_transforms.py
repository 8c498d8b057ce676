# SPDX-License-Identifier: Apache-2.0
"""The laws that every public transform obeys."""

import copy
import pickle

import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.transforms import Compose, Invertd, Orientationd, ScaleIntensityRanged, Spacingd

from lsms_monai import transforms

# Name, transform, keys that it adds, keys that it takes out.
TRANSFORMS = [
    ("CheckCTd", transforms.CheckCTd(), set(), set()),
    ("StackAdjacentSlicesd", transforms.StackAdjacentSlicesd(), set(), set()),
    ("StraightenTiltd", transforms.StraightenTiltd(keys=["image", "label"]), set(), set()),
    ("ResampleKeysd", transforms.ResampleKeysd(keys="image", pixdim=(-1.0, -1.0, -1.0)), set(), set()),
    ("SelectTargetd", transforms.SelectTargetd(), set(), {"label_value"}),
    ("LowerVolumeOddsd", transforms.LowerVolumeOddsd(keys="image"), set(), set()),
    ("TrimEdgesd", transforms.TrimEdgesd(keys="image"), set(), set()),
    ("SelectSliced", transforms.SelectSliced(keys=["image", "label"]), set(), set()),
    ("RandMirrord", transforms.RandMirrord(prob=0.0), set(), set()),
    ("SelectExpressiond", transforms.SelectExpressiond(), set(), set()),
    ("TokenizeExpressiond", transforms.TokenizeExpressiond(max_length=8), {"input_ids", "attention_mask"}, set()),
]


@pytest.fixture(params=TRANSFORMS, ids=lambda row: row[0])
def row(request):
    return request.param


@pytest.fixture
def transform(row):
    return row[1]


@pytest.fixture
def sample():
    """A whole sample before any of the transforms."""
    generator = torch.Generator().manual_seed(1)
    affine = torch.diag(torch.tensor([-2.0, -3.0, 5.0, 1.0], dtype=torch.float64))
    label = torch.zeros(1, 7, 11, 5, dtype=torch.uint8)
    label[0, 2:4, 3:7, 1:3], label[0, 5, 9, 3] = 1, 2
    voxels = torch.randint(-1000, 1000, label.shape, generator=generator).float()
    return {
        "image": MetaTensor(voxels, affine=affine, meta={"filename_or_obj": "ct.nii.gz"}),
        "label": MetaTensor(label, affine=affine),
        "label_value": [1],
        "prompt": "the cyst",
        "expression": " the lesion",
        "patient_id": "P1",
    }


def assert_equal(one, other):
    """Same types, keys, values, meta data and history, at any depth."""
    assert type(one) is type(other)
    if isinstance(one, MetaTensor):
        assert_equal(one.meta, other.meta)
        assert_equal(*([{**operation, "id": None} for operation in x.applied_operations] for x in (one, other)))
    if isinstance(one, torch.Tensor):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    elif isinstance(one, dict):
        assert {*one} == {*other}
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for item, again in zip(one, other, strict=True):
            assert_equal(item, again)
    else:
        assert one == other


def test_every_public_transform_is_under_the_laws():
    assert {name for name, *_ in TRANSFORMS} == {*transforms.__all__}


def test_the_input_is_not_changed(transform, sample):
    before = copy.deepcopy(sample)
    transform(sample)
    assert_equal(sample, before)


def test_keys_come_and_go_only_as_documented(row, transform, sample):
    _, _, added, removed = row
    assert {*transform(sample)} == {*sample} - removed | added


def test_what_a_transform_does_not_name_passes_untouched(transform, sample):
    sample["unknown"] = object()
    assert transform(sample)["unknown"] is sample["unknown"]
    assert transform(sample)["patient_id"] is sample["patient_id"]


def test_the_same_sample_gives_the_same_result(transform, sample):
    torch.manual_seed(0)
    once = transform(sample)
    torch.manual_seed(1)
    assert_equal(transform(sample), once)


def test_a_worker_process_has_the_same_transform(transform, sample):
    assert_equal(pickle.loads(pickle.dumps(transform))(sample), transform(sample))


def test_results_can_be_batched_and_taken_apart(transform, sample):
    result = transform(sample)
    batch = list_data_collate([result, transform(sample)])
    assert batch["image"].shape == (2, *result["image"].shape)
    for again in decollate_batch(batch):
        assert torch.equal(again["image"].as_tensor(), result["image"].as_tensor())
        assert torch.equal(again["image"].affine, result["image"].affine)


def test_voxels_stay_at_their_place_in_the_patient(transform, sample):
    before, after = sample["image"], transform(sample)["image"]
    shift = round(float((after.affine - before.affine)[2, 3] / 5))
    assert torch.equal(after.affine[:, :3], before.affine[:, :3])
    middle = len(after) // 2
    assert torch.equal(after[middle, ..., 0].as_tensor(), before[0, ..., shift].as_tensor())


def test_tensors_without_meta_data_work_as_well(transform, sample):
    plain = {key: value.as_tensor() if isinstance(value, MetaTensor) else value for key, value in sample.items()}
    expected, result = transform(sample), transform(plain)
    for key in ("image", "label"):
        assert torch.equal(torch.as_tensor(result[key]), torch.as_tensor(expected[key]))


def test_a_prediction_returns_to_the_geometry_of_the_input(sample):
    preprocessing = Compose(
        [
            transforms.CheckCTd(),
            Orientationd(keys="image", axcodes="LPS", labels=None),
            transforms.StackAdjacentSlicesd(num_adjacent=1),
            Spacingd(keys="image", pixdim=(1.5, 1.5, -1.0)),
            ScaleIntensityRanged(keys="image", a_min=0, a_max=200, b_min=0, b_max=1, clip=True),
            transforms.SelectExpressiond(keys=["prompt", "expression"], default="liver lesion"),
            transforms.TokenizeExpressiond(),
        ]
    )
    flipped = sample["image"].affine.clone()
    flipped[0] = -flipped[0]
    sample["image"].affine = flipped
    processed = preprocessing(sample)
    processed["pred"] = processed["image"][:1]
    inverted = Invertd(keys="pred", transform=preprocessing, orig_keys="image")(processed)["pred"]
    assert inverted.shape == sample["image"].shape
    torch.testing.assert_close(inverted.affine, flipped)
