# SPDX-License-Identifier: Apache-2.0
"""Scale-aware Vision-Language Attention, the attention inside every block of the LSMS encoder."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lsms_monai.networks.layers import ChannelNorm, at_full_precision

LANGUAGE_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "layer": ChannelNorm,
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "none": lambda channels: nn.Identity(),
}


class WordToPixelAttention(nn.Module):
    """Bring to each pixel the words that concern it, through a gate that may keep them out.

    One attention head with pixels as queries and words as keys and values, then a tanh gate, as in the language
    branch of LAVT (arXiv 2112.02244, 3.2) from which LSMS descends.

    Args:
        channels: channels C of the image features.
        text_dim: size E of one word feature.
        norm: normalisation of the queries and of the message: "layer" (over channels), "instance" (over pixels, as
            published by the ancestor; it deletes any message that is the same for all pixels) or "none".
        zero_init_gate: start with a closed gate, so that pretrained image features are unchanged at the first step.

    Raises:
        ValueError: if the norm is not one of the three.
    """

    def __init__(self, channels: int, text_dim: int, *, norm: str = "layer", zero_init_gate: bool = False) -> None:
        super().__init__()
        if norm not in LANGUAGE_NORMS:
            raise ValueError(f"norm must be one of {sorted(LANGUAGE_NORMS)}, got {norm!r}")
        make_norm = LANGUAGE_NORMS[norm]
        self.query = nn.Sequential(nn.Conv2d(channels, channels, 1), make_norm(channels))
        # One bias more on the keys would shift every score of a pixel alike, which softmax ignores.
        self.key = nn.Linear(text_dim, channels, bias=False)
        self.value = nn.Linear(text_dim, channels)
        self.message = nn.Sequential(nn.Conv2d(channels, channels, 1), make_norm(channels))
        self.gate = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Tanh(),
        )
        self.gate_scale = nn.Parameter(torch.zeros(1)) if zero_init_gate else None

    def forward(self, feature: Tensor, word_features: Tensor, attention_mask: Tensor) -> Tensor:
        """
        Args:
            feature: image features (B, C, H, W).
            word_features: (B, T, E); rows whose mask is 0 have no influence.
            attention_mask: (B, T), 1 for words, 0 for padding; at least one word per row.

        Returns:
            Gated message of the words to each pixel (B, C, H, W). A batch of 1 on either side serves all of the other.
        """
        query = self.query(feature).flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, HW, C)
        scores = query @ self.key(word_features).transpose(1, 2) * query.shape[-1] ** -0.5  # (B, HW, T)
        scores = scores.masked_fill(attention_mask[:, None, :] == 0, torch.finfo(scores.dtype).min)
        message = scores.softmax(dim=-1) @ self.value(word_features)  # (B, HW, C)
        message = self.message(message.transpose(1, 2).unflatten(2, feature.shape[2:]))
        gated = self.gate(message) * message
        return gated if self.gate_scale is None else self.gate_scale * gated


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of each channel by itself that keeps height and width.

    Args:
        channels: channels C of the (B, C, H, W) map.
        kernel_size: (height, width), odd.
    """

    def __init__(self, channels: int, kernel_size: tuple[int, int]) -> None:
        height, width = kernel_size
        super().__init__(channels, channels, kernel_size, padding=(height // 2, width // 2), groups=channels)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, H, W) in, the same shape out."""
        return at_full_precision(
            super().forward, feature, dtype=self.weight.dtype, when=self.training and feature.is_cpu
        )


class ScaleAwareVisionLanguageAttention(nn.Module):
    """Gate image features by what they look like at several scales and by what the expression says.

    Parallel strip convolutions and word-to-pixel attention read the same features; their sum multiplies the input.
    Ouyang et al., LSMS, https://arxiv.org/abs/2408.17347, SVLA module, on the convolutional attention of SegNeXt
    (arXiv 2209.08575, 3.1). What the paper leaves open: bundle/docs/README.md, "Choices".

    Args:
        channels: channels C of the image features, unchanged by the module.
        text_dim: size E of one word feature; None leaves the words out.
        kernel_sizes: lengths of the strip convolutions, odd, in pixels of the feature map.
        language_norm: see ``WordToPixelAttention``.
        zero_init_gate: see ``WordToPixelAttention``.

    Raises:
        ValueError: if a kernel size is even.
    """

    def __init__(
        self,
        channels: int,
        text_dim: int | None,
        *,
        kernel_sizes: tuple[int, ...] = (7, 11, 21),
        language_norm: str = "layer",
        zero_init_gate: bool = False,
    ) -> None:
        super().__init__()
        if any(size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd, got {tuple(kernel_sizes)}")
        self.local = DepthwiseConv2d(channels, (5, 5))
        self.strips = nn.ModuleList(
            nn.Sequential(DepthwiseConv2d(channels, (1, size)), DepthwiseConv2d(channels, (size, 1)))
            for size in kernel_sizes
        )
        self.language = (
            None
            if text_dim is None
            else WordToPixelAttention(channels, text_dim, norm=language_norm, zero_init_gate=zero_init_gate)
        )
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, feature: Tensor, word_features: Tensor, attention_mask: Tensor) -> Tensor:
        """
        Args:
            feature: image features (B, C, H, W).
            word_features: (B, T, E); rows whose mask is 0 have no influence.
            attention_mask: (B, T), 1 for words, 0 for padding; at least one word per row.

        Returns:
            Gated features (B, C, H, W). A batch of 1 on either side serves all of the other.
        """
        local = self.local(feature)
        attention = local + sum(strip(local) for strip in self.strips)
        if self.language is not None:
            attention = attention + self.language(local, word_features, attention_mask)
        return self.project(attention) * feature
