# SPDX-License-Identifier: Apache-2.0
"""The image encoder of LSMS: four stages of convolutional attention into which words enter."""

from collections.abc import Sequence

import torch
from monai.networks.layers import DropPath
from torch import Tensor, nn

from lsms_monai.networks.body_position import BodyPosition
from lsms_monai.networks.layers import ChannelNorm, ConvFeedForward, recomputed
from lsms_monai.networks.scale_aware_attention import ScaleAwareVisionLanguageAttention

LAYER_SCALE_INIT = 0.1


class VisionLanguageBlock(nn.Module):
    """One block: attention that looks at the image and reads the words, then a convolutional feed-forward.

    The block of SegNeXt's MSCAN (arXiv 2209.08575, 3.1) with SVLA as its gating unit.

    Args:
        channels: channels C of the features, unchanged by the block.
        text_dim: size E of one word feature; None leaves the words out.
        mlp_ratio: widening of the feed-forward part.
        drop_path_rate: probability with which a residual branch is dropped in training.
        language_norm: see ``WordToPixelAttention``.
        zero_init_gate: see ``WordToPixelAttention``.
        use_checkpoint: in training, compute both parts of the block again in the backward pass instead of keeping them.
    """

    def __init__(
        self,
        channels: int,
        text_dim: int | None,
        *,
        mlp_ratio: int,
        drop_path_rate: float = 0.0,
        language_norm: str = "layer",
        zero_init_gate: bool = False,
        use_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.norm1 = nn.BatchNorm2d(channels)
        self.project_in = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.GELU())
        self.attention = ScaleAwareVisionLanguageAttention(
            channels, text_dim, language_norm=language_norm, zero_init_gate=zero_init_gate
        )
        self.project_out = nn.Conv2d(channels, channels, 1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.feed_forward = ConvFeedForward(channels, mlp_ratio)
        self.drop_path = DropPath(drop_path_rate)
        self.scale1 = nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE_INIT))
        self.scale2 = nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE_INIT))

    def forward(self, feature: Tensor, word_features: Tensor, attention_mask: Tensor) -> Tensor:
        """Shapes as in ``ScaleAwareVisionLanguageAttention.forward``."""
        again = self.use_checkpoint and self.training  # not the batch norms: each would count the batch twice
        normed = self.norm1(feature)
        attended = recomputed(self._attend, normed, word_features, attention_mask, when=again) + normed
        feature = feature + self.drop_path(self.scale1 * attended)
        return feature + self.drop_path(self.scale2 * recomputed(self.feed_forward, self.norm2(feature), when=again))

    def _attend(self, normed: Tensor, word_features: Tensor, attention_mask: Tensor) -> Tensor:
        return self.project_out(self.attention(self.project_in(normed), word_features, attention_mask))


class VisionLanguageEncoder(nn.Module):
    """Turn an image and the words of an expression into features at strides 4, 8, 16 and 32.

    Every stage is told where in the body each of its pixels lies, for words such as "right".

    Args:
        in_channels: channels of the image.
        text_dim: size E of one word feature.
        stage_channels: channels C_i of the four stages.
        depths: blocks of the four stages.
        mlp_ratios: widening of the feed-forward part in the four stages.
        drop_path_rate: largest drop-path probability; it grows linearly over the blocks from 0.
        text_stages: indices 0..3 of the stages whose blocks read the words. Stages before the first of them are
            computed once for an image that is asked for several expressions.
        language_norm: see ``WordToPixelAttention``.
        zero_init_gate: see ``WordToPixelAttention``.
        use_checkpoint: see ``VisionLanguageBlock``.

    Raises:
        ValueError: if the stage sequences differ in length or a text stage does not exist.
    """

    strides = (4, 8, 16, 32)

    def __init__(
        self,
        in_channels: int,
        text_dim: int,
        *,
        stage_channels: Sequence[int],
        depths: Sequence[int],
        mlp_ratios: Sequence[int] = (8, 8, 4, 4),
        drop_path_rate: float = 0.0,
        text_stages: Sequence[int] = (0, 1, 2, 3),
        language_norm: str = "layer",
        zero_init_gate: bool = False,
        use_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        if not len(stage_channels) == len(depths) == len(mlp_ratios) == len(self.strides):
            raise ValueError(
                f"stage_channels, depths and mlp_ratios must have {len(self.strides)} entries each, "
                f"got {tuple(stage_channels)}, {tuple(depths)}, {tuple(mlp_ratios)}"
            )
        if not set(text_stages) <= set(range(len(self.strides))):
            raise ValueError(f"text_stages must be among 0..{len(self.strides) - 1}, got {tuple(text_stages)}")
        self.out_channels = tuple(stage_channels)
        drop_path_rates = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.embeddings, self.stages, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.position = BodyPosition(stage_channels, self.strides)
        for stage, (channels, depth, mlp_ratio) in enumerate(zip(stage_channels, depths, mlp_ratios, strict=True)):
            previous = in_channels if stage == 0 else stage_channels[stage - 1]
            self.embeddings.append(_stem(previous, channels) if stage == 0 else _downsample(previous, channels))
            self.stages.append(
                nn.ModuleList(
                    VisionLanguageBlock(
                        channels,
                        text_dim if stage in text_stages else None,
                        mlp_ratio=mlp_ratio,
                        drop_path_rate=next(drop_path_rates),
                        language_norm=language_norm,
                        zero_init_gate=zero_init_gate,
                        use_checkpoint=use_checkpoint,
                    )
                    for _ in range(depth)
                )
            )
            self.norms.append(ChannelNorm(channels))

    def forward(self, image: Tensor, word_features: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """
        Args:
            image: (B, C, H, W), H and W divisible by 32.
            word_features: (B, T, E); rows whose mask is 0 have no influence.
            attention_mask: (B, T), 1 for words, 0 for padding; at least one word per row.

        Returns:
            Features [(B, C_i, H / s_i, W / s_i)] for the strides s_i, fine to coarse. A batch of 1 on either side
            serves all of the other; maps that no word has entered yet keep the batch of the image.
        """
        features = []
        feature = image
        positions = self.position(image)
        for embedding, position, blocks, norm in zip(self.embeddings, positions, self.stages, self.norms, strict=True):
            feature = embedding(feature) + position
            for block in blocks.children():
                feature = block(feature, word_features, attention_mask)
            feature = norm(feature)
            features.append(feature)
        return features


def _stem(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels // 2, 3, stride=2, padding=1),
        nn.BatchNorm2d(channels // 2),
        nn.GELU(),
        nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
        nn.BatchNorm2d(channels),
    )


def _downsample(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(_HalvingConv2d(in_channels, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels))


class _HalvingConv2d(nn.Conv2d):
    """A convolution that multiplies the bfloat16 numbers of narrow maps in float32.

    On CPUs with AMX, oneDNN (as in PyTorch 2.13) reads memory that nobody has written where a bfloat16 convolution of
    stride 2 meets a map of one or two columns.
    """

    def forward(self, feature: Tensor) -> Tensor:
        if not (feature.is_cpu and torch.is_autocast_enabled("cpu") and feature.shape[3] <= 2):
            return super().forward(feature)
        bias = None if self.bias is None else self.bias.bfloat16().float()
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(feature.bfloat16().float(), self.weight.bfloat16().float(), bias)
