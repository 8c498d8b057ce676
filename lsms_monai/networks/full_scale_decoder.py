# SPDX-License-Identifier: Apache-2.0
"""The Full-Scale Decoder: features of four scales in, one map at stride 4 out."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lsms_monai.networks.layers import ChannelNorm, recomputed
from lsms_monai.networks.scale_mixers import FactorizedScaleMixer, GroupedScaleMixer, PooledScaleMixer

MIXERS: dict[str, Callable[[int], nn.Module]] = {
    "grouped": GroupedScaleMixer,
    "pooled": PooledScaleMixer,
    "factorized": FactorizedScaleMixer,
}


class FullScaleDecoder(nn.Module):
    """Let all scales and all places inform each other, then fuse them into one map at the finest stride.

    Ouyang et al., LSMS, https://arxiv.org/abs/2408.17347, FSD module. What the paper leaves open:
    bundle/docs/README.md, "Choices".

    Args:
        in_channels: channels C_i of the four feature maps, fine to coarse.
        embed_dim: channels D inside the decoder and of its output.
        mixer: "grouped", "pooled" or "factorized", see ``scale_mixers``.
        use_checkpoint: in training, compute the mixer again in the backward pass instead of keeping what is inside it.

    Raises:
        ValueError: if the mixer is not one of the three.
    """

    def __init__(
        self, in_channels: Sequence[int], embed_dim: int, *, mixer: str = "grouped", use_checkpoint: bool = False
    ) -> None:
        super().__init__()
        if mixer not in MIXERS:
            raise ValueError(f"mixer must be one of {sorted(MIXERS)}, got {mixer!r}")
        self.out_channels = embed_dim
        self.use_checkpoint = use_checkpoint
        self.enter = nn.ModuleList(nn.Conv2d(channels, embed_dim, 1) for channels in in_channels)
        self.mixer = MIXERS[mixer](embed_dim)
        self.merge = nn.ModuleList(nn.Conv2d(embed_dim + channels, embed_dim, 1) for channels in in_channels)
        self.norm = ChannelNorm(embed_dim)
        self.refine = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """
        Args:
            features: [(B, C_i, H_i, W_i)] at strides 4, 8, 16, 32, fine to coarse; a map with batch 1
                that no word has entered serves all expressions.

        Returns:
            Fused features (B, D, H_0, W_0).
        """
        batch = features[-1].shape[0]  # words enter on the way down, so the coarsest map has the largest batch
        features = [feature.expand(batch, -1, -1, -1) for feature in features]
        entered = [enter(feature) for enter, feature in zip(self.enter, features, strict=True)]
        mixed = recomputed(self.mixer, entered, when=self.use_checkpoint and self.training)
        # A 1x1 convolution of the concatenated, up-sampled maps is the sum of up-sampled 1x1 convolutions.
        size = features[0].shape[2:]
        fused = sum(
            F.interpolate(merge(torch.cat([mix, feature], dim=1)), size=size, mode="bilinear")
            for merge, mix, feature in zip(self.merge, mixed, features, strict=True)
        )
        fused = F.gelu(self.norm(fused))
        return fused + F.gelu(self.refine(fused))
