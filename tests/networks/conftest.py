# SPDX-License-Identifier: Apache-2.0
"""A narrow LSMS with a two-layer text encoder, and words to ask it for."""

from unittest.mock import patch

import pytest
import torch

from lsms_monai.networks import LSMS
from lsms_monai.networks.lsms import VARIANTS

NARROW = {"stage_channels": (8, 12, 16, 20), "depths": (1, 2, 1, 1), "drop_path_rate": 0.0, "embed_dim": 16}


@pytest.fixture(autouse=True)
def seed():
    """Random weights and inputs are the same in every run."""
    torch.manual_seed(3)


@pytest.fixture(scope="session")
def make_lsms(bert):
    """A function that makes an ``LSMS`` of a narrow variant, always with the same weights, in evaluation."""

    def make(**settings):
        torch.manual_seed(7)
        with patch.dict(VARIANTS, narrow=NARROW):
            return LSMS("narrow", **{"text_encoder": bert, "default_input_ids": (1, 5, 2), **settings}).eval()

    return make


@pytest.fixture(scope="session")
def expressions():
    """Token ids and mask (2, 5) of two expressions, the second a word shorter."""
    ids = torch.tensor([[1, 50, 60, 70, 2], [1, 80, 90, 2, 0]])
    return ids, (ids > 0).long()
