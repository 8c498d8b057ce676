# SPDX-License-Identifier: Apache-2.0
"""Bricks that the encoder and the decoder share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel of a (B, C, H, W) map."""

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, H, W) in, the same shape out."""
        normalized = F.layer_norm(feature.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return normalized.permute(0, 3, 1, 2)


class ConvFeedForward(nn.Sequential):
    """Widen the channels, mix neighbours with a 3x3 depth-wise convolution, narrow again.

    Guo et al., SegNeXt, arXiv 2209.08575, 3.1.

    Args:
        channels: channels C of the (B, C, H, W) map, unchanged by the module.
        ratio: the hidden map has ``ratio * channels`` channels.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        hidden_channels = ratio * channels
        super().__init__()
        self.expand = nn.Conv2d(channels, hidden_channels, 1)
        self.depthwise = nn.Conv2d(hidden_channels, hidden_channels, 3, padding=1, groups=hidden_channels)
        self.act = nn.GELU()
        self.reduce = nn.Conv2d(hidden_channels, channels, 1)


def recomputed(part: Callable[..., Any], *inputs: Any, when: bool) -> Any:
    """Call `part`; if `when`, keep nothing inside it for the backward pass, which computes it again."""
    return checkpoint(part, *inputs, use_reentrant=False) if when else part(*inputs)


def at_full_precision(part: Callable[..., Tensor], *inputs: Tensor, dtype: torch.dtype, when: bool) -> Tensor:
    """Call `part`; if `when`, without autocast and with inputs of that type.

    On a CPU, PyTorch's backward passes of depth-wise convolutions and of attention take 2 to 6 times as long in
    bfloat16 as in float32.
    """
    if not when:
        return part(*inputs)
    with torch.autocast("cpu", enabled=False):
        return part(*(each.to(dtype) for each in inputs))
