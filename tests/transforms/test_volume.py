# SPDX-License-Identifier: Apache-2.0
"""A pixel of a volume has to be surer than one of a slice that is an image by itself."""

import pytest
import torch
from monai.data import MetaTensor

from lsms_monai.transforms import LowerVolumeOddsd


def odds(logits):
    return torch.sigmoid(logits) / (1 - torch.sigmoid(logits))


def test_the_odds_of_a_volume_are_divided_by_the_ratio():
    logits = torch.linspace(-3, 3, 60).reshape(1, 4, 5, 3)
    lowered = LowerVolumeOddsd("pred", ratio=6.0)({"pred": logits})["pred"]
    torch.testing.assert_close(odds(lowered), odds(logits) / 6.0)


def test_a_single_slice_stays_as_it_is():
    logits = torch.linspace(-3, 3, 20).reshape(1, 4, 5, 1)
    assert LowerVolumeOddsd("pred", ratio=6.0)({"pred": logits})["pred"] is logits


def test_the_place_in_the_patient_is_kept():
    affine = torch.diag(torch.tensor([2.0, 2.0, 5.0, 1.0], dtype=torch.float64))
    sample = {"pred": MetaTensor(torch.zeros(1, 4, 5, 3), affine=affine)}
    lowered = LowerVolumeOddsd("pred", ratio=2.0)(sample)["pred"]
    torch.testing.assert_close(lowered.affine, affine)
    assert sample["pred"].abs().max() == 0  # the input is not changed


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan")])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(ValueError, match=r"ratio must be above 0, got .*; 1 changes nothing"):
        LowerVolumeOddsd("pred", ratio=ratio)
