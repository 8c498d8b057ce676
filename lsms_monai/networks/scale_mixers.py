# SPDX-License-Identifier: Apache-2.0
"""Three ways for the features of four scales to inform each other; each keeps the shapes of the maps.

The LSMS abstract says that the Full-Scale Decoder models features of all scales globally; the form is not public.
"grouped" is the project's reading, "pooled" and "factorized" are there to be compared with it (bundle/docs/README.md,
"Choices").
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from lsms_monai.networks.layers import at_full_precision

WINDOWS = (8, 4, 2, 1)  # side of one position's window at strides 4, 8, 16, 32
NUM_COARSE = 2**2 + 1  # tokens of one position at strides 16 and 32


class SelfAttention(nn.Module):
    """Multi-head self-attention with pre-norm and a residual connection.

    Args:
        embed_dim: size D of a token.
        num_heads: number of heads.

    Raises:
        ValueError: if the heads do not divide the token size.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(embed_dim)
        self.query_key_value = nn.Linear(embed_dim, 3 * embed_dim)
        self.project = nn.Linear(embed_dim, embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, D) in, tokens (B, N, D) out."""
        projected = self.query_key_value(self.norm(tokens))
        query, key, value = rearrange(projected, "b n (s h d) -> s b h n d", s=3, h=self.num_heads).unbind()
        attended = at_full_precision(  # scaled by 1 / sqrt(d)
            F.scaled_dot_product_attention,
            *(query, key, value),
            dtype=tokens.dtype,
            when=self.training and tokens.is_cpu,
        )
        return tokens + self.project(rearrange(attended, "b h n d -> b n (h d)"))


class FeedForward(nn.Sequential):
    """Two linear layers with pre-norm; the caller adds the residual.

    Args:
        embed_dim: size D of a token.
        ratio: the hidden layer has ``ratio * embed_dim`` units.
    """

    def __init__(self, embed_dim: int, ratio: int = 2) -> None:
        super().__init__(
            nn.LayerNorm(embed_dim),
            nn.Linear(embed_dim, ratio * embed_dim),
            nn.GELU(),
            nn.Linear(ratio * embed_dim, embed_dim),
        )


class GroupedScaleLayer(nn.Module):
    """Attention inside each position's 85 tokens, then among the coarse tokens of all positions.

    Args:
        embed_dim: size D of a token.
        num_heads: number of heads of both attentions.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.within_group = SelfAttention(embed_dim, num_heads)
        self.across_groups = SelfAttention(embed_dim, num_heads)
        self.feed_forward = FeedForward(embed_dim)

    def forward(self, tokens: Tensor, num_groups: int) -> Tensor:
        """Tokens (B * G, N, D) in, the same out; the last ``NUM_COARSE`` of the N are those of strides 16 and 32."""
        tokens = self.within_group(tokens)
        fine, coarse = tokens[:, :-NUM_COARSE], tokens[:, -NUM_COARSE:]
        coarse = self.across_groups(rearrange(coarse, "(b g) n d -> b (g n) d", g=num_groups))
        tokens = torch.cat([fine, rearrange(coarse, "b (g n) d -> (b g) n d", g=num_groups)], dim=1)
        return tokens + self.feed_forward(tokens)


class GroupedScaleMixer(nn.Module):
    """Let the 64 + 16 + 4 + 1 tokens that show one place at four scales attend to each other, and all places as well.

    Ouyang et al., LSMS, https://arxiv.org/abs/2408.17347, FSD; the grouping is that of the same authors' SLViT
    (IJCAI 2023), here at every position and with the usual scaling of the scores.

    Args:
        embed_dim: channels D of all four maps.
        num_heads: number of attention heads.
        num_layers: number of layers; from the second on, fine tokens hear of far places.
    """

    def __init__(self, embed_dim: int, *, num_heads: int = 8, num_layers: int = 2) -> None:
        super().__init__()
        # One row for each scale and place inside the window.
        self.position_embedding = nn.Parameter(0.02 * torch.randn(sum(side**2 for side in WINDOWS), embed_dim))
        self.layers = nn.ModuleList(GroupedScaleLayer(embed_dim, num_heads) for _ in range(num_layers))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """
        Args:
            features: [(B, D, H_i, W_i)] at strides 4, 8, 16, 32 of an image whose sides are divisible by 32.

        Returns:
            Maps of the same shapes.
        """
        height, width = features[-1].shape[2:]
        tokens = torch.cat(
            [
                rearrange(feature, "b d (h p) (w q) -> (b h w) (p q) d", p=side, q=side)
                for feature, side in zip(features, WINDOWS, strict=True)
            ],
            dim=1,
        )
        tokens = tokens + self.position_embedding
        for layer in self.layers:
            tokens = layer(tokens, height * width)
        return [
            rearrange(group, "(b h w) (p q) d -> b d (h p) (w q)", h=height, w=width, p=side, q=side)
            for group, side in zip(tokens.split([side**2 for side in WINDOWS], dim=1), WINDOWS, strict=True)
        ]


class PooledScaleMixer(nn.Module):
    """Average every scale to stride 32 and let all tokens of all positions and scales attend to each other.

    Args:
        embed_dim: channels D of all four maps.
        num_heads: number of attention heads.
        num_layers: number of attention layers.
    """

    def __init__(self, embed_dim: int, *, num_heads: int = 8, num_layers: int = 2) -> None:
        super().__init__()
        self.scale_embedding = nn.Parameter(0.02 * torch.randn(len(WINDOWS), 1, embed_dim))
        self.attentions = nn.ModuleList(SelfAttention(embed_dim, num_heads) for _ in range(num_layers))
        self.feed_forwards = nn.ModuleList(FeedForward(embed_dim) for _ in range(num_layers))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """As ``GroupedScaleMixer.forward``."""
        height = features[-1].shape[2]
        pooled = torch.stack(
            [F.avg_pool2d(f, side) if side > 1 else f for f, side in zip(features, WINDOWS, strict=True)]
        )
        tokens = rearrange(pooled, "s b d h w -> b s (h w) d") + self.scale_embedding
        tokens = tokens.flatten(1, 2)
        for attention, feed_forward in zip(self.attentions, self.feed_forwards, strict=True):
            tokens = attention(tokens)
            tokens = tokens + feed_forward(tokens)
        messages = rearrange(tokens, "b (s h w) d -> s b d h w", s=len(WINDOWS), h=height)
        return [
            feature + F.interpolate(message, scale_factor=side, mode="nearest")
            for feature, message, side in zip(features, messages, WINDOWS, strict=True)
        ]


class FactorizedScaleMixer(nn.Module):
    """Describe the tokens of all positions and scales by a few shared bases (Geng et al., Hamburger, ICLR 2021).

    Non-negative matrix factorisation from fixed bases, so that the result is the same in every call.

    Args:
        embed_dim: channels D of all four maps.
        rank: number of bases.
        num_steps: multiplicative updates.
    """

    bases: Tensor

    def __init__(self, embed_dim: int, *, rank: int = 16, num_steps: int = 6) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.enter = nn.Linear(embed_dim, embed_dim)
        self.leave = nn.Linear(embed_dim, embed_dim)
        bases = torch.rand(embed_dim, rank, generator=torch.Generator().manual_seed(0))
        self.register_buffer("bases", F.normalize(bases, dim=0))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """As ``GroupedScaleMixer.forward``."""
        tokens = torch.cat([feature.flatten(2) for feature in features], dim=2).transpose(1, 2)  # (B, N, D)
        matrix = F.relu(self.enter(tokens)).transpose(1, 2)  # (B, D, N)
        bases = self.bases.expand(len(matrix), -1, -1)  # (B, D, R)
        codes = (matrix.transpose(1, 2) @ bases).softmax(dim=-1)  # (B, N, R)
        for _ in range(self.num_steps):
            codes = codes * (matrix.transpose(1, 2) @ bases) / (codes @ (bases.transpose(1, 2) @ bases) + 1e-6)
            bases = bases * (matrix @ codes) / (bases @ (codes.transpose(1, 2) @ codes) + 1e-6)
        tokens = tokens + self.leave((bases @ codes.transpose(1, 2)).transpose(1, 2))
        maps = tokens.transpose(1, 2).split([feature[0, 0].numel() for feature in features], dim=2)
        return [part.unflatten(2, feature.shape[2:]) for part, feature in zip(maps, features, strict=True)]
