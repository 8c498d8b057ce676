# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lsms_monai.networks import FullScaleDecoder

CHANNELS = (4, 6, 8, 10)
SIDES = ((16, 24), (8, 12), (4, 6), (2, 3))


class Unmixed(nn.Module):
    """In place of a mixer, what it would be without any."""

    def forward(self, features):
        return features


@pytest.fixture
def features():
    return [torch.randn(2, channels, *side) for channels, side in zip(CHANNELS, SIDES, strict=True)]


@pytest.mark.parametrize("mixer", ["grouped", "pooled", "factorized"])
@pytest.mark.parametrize("embed_dim", [8, 16])
def test_the_output_lies_at_the_finest_stride(features, mixer, embed_dim):
    decoder = FullScaleDecoder(CHANNELS, embed_dim, mixer=mixer)
    assert decoder(features).shape == (2, embed_dim, 16, 24)
    assert decoder.out_channels == embed_dim


def test_an_unknown_mixer_is_refused():
    with pytest.raises(ValueError, match=r"mixer must be one of \['factorized', 'grouped', 'pooled'\], got 'mean'"):
        FullScaleDecoder(CHANNELS, 8, mixer="mean")


def test_fusing_equals_a_1x1_convolution_of_the_concatenated_upsampled_maps(features):
    decoder = FullScaleDecoder(CHANNELS, 8)
    decoder.mixer = Unmixed()
    mixed = [enter(feature) for enter, feature in zip(decoder.enter, features, strict=True)]
    stacked = [torch.cat(pair, dim=1) for pair in zip(mixed, features, strict=True)]
    finest = torch.cat([F.interpolate(part, size=(16, 24), mode="bilinear") for part in stacked], dim=1)
    weight = torch.cat([merge.weight for merge in decoder.merge], dim=1)
    fused = F.conv2d(finest, weight, sum(merge.bias for merge in decoder.merge))
    fused = F.gelu(F.layer_norm(fused.movedim(1, -1), (8,)).movedim(-1, 1))
    torch.testing.assert_close(decoder(features), fused + F.gelu(decoder.refine(fused)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", range(4))
def test_every_scale_reaches_the_output(features, scale):
    decoder = FullScaleDecoder(CHANNELS, 8)
    before = decoder(features)
    features[scale] = -features[scale]
    assert (decoder(features) - before).abs().max() > 0.01


@pytest.mark.parametrize("scales", [(0,), (0, 1, 2)])
def test_a_map_of_one_image_serves_all_expressions(features, scales):
    decoder = FullScaleDecoder(CHANNELS, 8)
    shared = [feature[:1] if i in scales else feature for i, feature in enumerate(features)]
    repeated = [feature.expand(2, -1, -1, -1) for feature in shared]
    assert torch.equal(decoder(shared), decoder(repeated))
