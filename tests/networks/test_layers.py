# SPDX-License-Identifier: Apache-2.0
import torch
from torch.nn import functional as F

from lsms_monai.networks.layers import ChannelNorm, ConvFeedForward


def test_channel_norm_gives_each_pixel_zero_mean_and_unit_variance():
    feature = torch.randn(2, 7, 3, 5)
    centred = feature - feature.mean(dim=1, keepdim=True)
    expected = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(ChannelNorm(7)(feature), expected)


def test_channel_norm_scales_and_shifts_each_channel():
    norm, plain = ChannelNorm(7), ChannelNorm(7)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(7.0))
        norm.bias.copy_(torch.arange(7.0) - 3)
    feature = torch.randn(2, 7, 3, 5)
    channels = torch.arange(7.0)[:, None, None]
    torch.testing.assert_close(norm(feature), plain(feature) * channels + channels - 3)


def test_feed_forward_widens_mixes_neighbours_and_narrows():
    part = ConvFeedForward(3, ratio=2)
    feature = torch.randn(2, 3, 5, 7)
    wide = F.conv2d(feature, part.expand.weight, part.expand.bias)
    assert wide.shape[1] == 6
    mixed = torch.cat(
        [
            F.conv2d(wide[:, [i]], part.depthwise.weight[[i]], part.depthwise.bias[[i]], padding=1)
            for i in range(wide.shape[1])
        ],
        dim=1,
    )
    torch.testing.assert_close(part(feature), F.conv2d(F.gelu(mixed), part.reduce.weight, part.reduce.bias))
