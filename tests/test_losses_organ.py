# SPDX-License-Identifier: Apache-2.0
"""The part of the loss that teaches where the organ is."""

import pytest
import torch

from lsms_monai.keys import INSIDE_ORGAN, MEANT, NOT_MEANT, OUTSIDE_ORGAN, UNKNOWN
from lsms_monai.losses import LSMSLoss


@pytest.fixture
def output():
    """The maps of an LSMS that draws the organ, in training."""
    generator = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(4, 1, 16, 24, generator=generator) for name in ("logits", "lesion_logits", "organ_logits")
    }


def test_the_organ_is_learned_where_it_is_known_and_holds_its_lesions(output):
    codes = torch.zeros(4, 1, 16, 24)
    codes[:2, :, 4:8], codes[:2, :, 8:] = INSIDE_ORGAN, OUTSIDE_ORGAN
    codes[0, :, 5, :3], codes[1, :, 5, 3:9], codes[0, :, 6] = MEANT, NOT_MEANT, UNKNOWN
    probability = output["organ_logits"].sigmoid()[:2]
    right = torch.cat([probability[:, :, 4:8], 1 - probability[:, :, 8:]], dim=2)[codes[:2, :, 4:] != UNKNOWN]
    found = LSMSLoss(organ_weight=0.7)(output, codes) - LSMSLoss(organ_weight=0)(output, codes)
    torch.testing.assert_close(found, -0.7 * right.log().mean())


def test_nothing_is_learned_of_an_organ_that_nobody_drew(output):
    nothing = torch.zeros(4, 1, 16, 24)
    assert LSMSLoss(organ_weight=0.7)(output, nothing) == LSMSLoss(organ_weight=0)(output, nothing)


def test_a_network_without_that_map_has_no_such_loss(output):
    codes = torch.full((4, 1, 16, 24), float(INSIDE_ORGAN))
    del output["organ_logits"]
    assert LSMSLoss(organ_weight=0.7)(output, codes) == LSMSLoss(organ_weight=0)(output, codes)
