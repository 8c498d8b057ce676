# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from lsms_monai.transforms import RandMirrord


@pytest.fixture
def sample(image, label):
    return {"image": image, "label": label, "expression": "The larger cyst in the left lobe"}


def test_words_are_mirrored_with_image_and_label(sample):
    mirrored = RandMirrord(prob=1.0)(sample)
    for key in ("image", "label"):
        assert torch.equal(mirrored[key].as_tensor(), sample[key].as_tensor().flip(1))
    assert mirrored["expression"] == "The larger cyst in the right lobe"


def test_words_stay_with_image_and_label(sample):
    kept = RandMirrord(prob=0.0)(sample)
    assert all(kept[key] is sample[key] for key in sample)


def test_half_of_the_samples_are_mirrored_whole(sample):
    transform = RandMirrord(prob=0.5).set_random_state(seed=0)
    results = [transform(sample) for _ in range(40)]
    flipped = [torch.equal(result["label"].as_tensor(), sample["label"].as_tensor().flip(1)) for result in results]
    assert 10 < sum(flipped) < 30
    assert flipped == ["right" in result["expression"] for result in results]
