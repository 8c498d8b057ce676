# SPDX-License-Identifier: Apache-2.0
"""A lesion ends where its log-odds have fallen to a part of the highest nearby."""

import pytest
import torch
from monai.data import MetaTensor

from lsms_monai.transforms import TrimEdgesd


def cone(peak, width=21, slope=1.0):
    """Logits (1, width, width) that fall from the middle to all sides."""
    across = torch.arange(width) - width // 2
    return peak - slope * torch.maximum(across.abs()[:, None], across.abs()[None])[None].float()


def trimmed(logits, **arguments):
    return TrimEdgesd("pred", **arguments)({"pred": logits})["pred"]


def test_what_remains_reaches_the_part_of_the_highest_nearby():
    logits = cone(peak=2.0)
    torch.testing.assert_close(trimmed(logits, rate=0.4) >= 0, logits >= 0.4 * 2.0)


@pytest.mark.parametrize("peak", [0.1, 1.0, 9.0])
def test_no_lesion_is_lost_however_faint(peak):
    assert trimmed(cone(peak), rate=0.9).amax() > 0


def test_the_inside_of_a_large_lesion_stays():
    logits = torch.full((1, 40, 40), -3.0)
    logits[0, 10:30, 10:30] = 3.0
    assert torch.equal(trimmed(logits, rate=0.4) > 0, logits > 0)


def test_a_faint_lesion_beyond_the_square_is_measured_by_itself():
    logits = torch.cat([cone(peak=8.0), cone(peak=1.0)], dim=2)
    assert torch.equal(trimmed(logits, rate=0.4)[..., 24:], trimmed(logits[..., 21:], rate=0.4)[..., 3:])


def test_slices_of_a_volume_do_not_meet():
    volume = torch.stack([cone(peak=8.0), cone(peak=1.0)], dim=-1)
    for index in range(2):
        assert torch.equal(trimmed(volume, rate=0.4)[..., index], trimmed(volume[..., index], rate=0.4))


@pytest.mark.parametrize(("logits", "rate"), [(cone(peak=4.0), 0.0), (-cone(peak=30.0), 0.4)])
def test_a_rate_of_0_and_odds_below_one_change_nothing(logits, rate):
    assert torch.equal(trimmed(logits, rate=rate), logits)


def test_the_place_in_the_patient_is_kept():
    affine = torch.diag(torch.tensor([2.0, 2.0, 5.0, 1.0], dtype=torch.float64))
    logits = MetaTensor(torch.ones(1, 4, 5, 3), affine=affine)
    torch.testing.assert_close(trimmed(logits, rate=0.5).affine, affine)
    assert logits.min() == 1  # the input is not changed


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match=r"rate must be at least 0 and below 1, got .*; 0 changes nothing"):
        TrimEdgesd("pred", rate=rate)


@pytest.mark.parametrize("size", [0, 4])
def test_a_square_without_a_middle_is_refused(size):
    with pytest.raises(ValueError, match=r"size must be an odd number of pixels, got \d; take 5"):
        TrimEdgesd("pred", size=size)
