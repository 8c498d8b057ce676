# SPDX-License-Identifier: Apache-2.0
"""The LSMS network: text encoder, vision-language encoder, full-scale decoder, head."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lsms_monai.networks.detail_branch import DetailBranch
from lsms_monai.networks.full_scale_decoder import FullScaleDecoder
from lsms_monai.networks.text_encoder import TextEncoder
from lsms_monai.networks.vision_language_encoder import VisionLanguageEncoder

# Widths, depths, drop-path of MSCAN-T/S/B/L (SegNeXt, arXiv 2209.08575, table 1); the width of the decoder is ours.
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {"stage_channels": (32, 64, 160, 256), "depths": (3, 3, 5, 2), "drop_path_rate": 0.1, "embed_dim": 128},
    "small": {"stage_channels": (64, 128, 320, 512), "depths": (2, 2, 4, 2), "drop_path_rate": 0.1, "embed_dim": 256},
    "base": {"stage_channels": (64, 128, 320, 512), "depths": (3, 3, 12, 3), "drop_path_rate": 0.1, "embed_dim": 256},
    "large": {"stage_channels": (64, 128, 320, 512), "depths": (3, 5, 27, 3), "drop_path_rate": 0.3, "embed_dim": 256},
}
DEFAULT_INPUT_IDS = (101, 11290, 4649, 3258, 102)  # "[CLS] liver les ##ion [SEP]" in the vocabulary of uncased BERT
STRIDE = 32
OPEN = 5.0  # logit of the organ at the start: trained weights gain its map without a jump, and others are not shut out


class LSMS(nn.Module):
    """Segment the lesions that an expression means, and only those.

    Ouyang et al., LSMS, https://arxiv.org/abs/2408.17347. What the paper leaves open: bundle/docs/README.md, "Choices".

    Args:
        variant: "tiny", "small", "base" or "large": widths and depths of MSCAN-T/S/B/L.
        in_channels: channels of the image.
        text_encoder: see ``TextEncoder``, ``source``.
        trainable_text_layers: see ``TextEncoder``, ``trainable_layers``.
        text_stages: see ``VisionLanguageEncoder``.
        language_norm: see ``WordToPixelAttention``, ``norm``.
        zero_init_gate: see ``WordToPixelAttention``.
        mixer: see ``FullScaleDecoder``.
        within_organ: draw one map more, the organ that holds the lesions, and mark nothing outside of it.
        detail_channels: see ``DetailBranch``, ``channels``; 0 leaves the branch out.
        drop_path_rate: largest drop-path probability; None takes the variant's.
        alignment_channels: size P of the embeddings that the contrastive losses compare.
        use_checkpoint: in training, compute blocks and mixer again in the backward pass: less memory, more time.
        default_input_ids: token ids of the expression used when none is given: exports and shape checks call the
            network with one tensor. Inference through this package always gives one.

    Raises:
        ValueError: if the variant is unknown or the default expression is not in the text encoder's vocabulary.
    """

    default_input_ids: Tensor

    def __init__(
        self,
        variant: str = "tiny",
        in_channels: int = 1,
        *,
        text_encoder: str | Path | Mapping[str, Any] | None = None,
        trainable_text_layers: int | None = None,
        text_stages: Sequence[int] = (0, 1, 2, 3),
        language_norm: str = "layer",
        zero_init_gate: bool = False,
        mixer: str = "grouped",
        within_organ: bool = True,
        detail_channels: int = 32,
        drop_path_rate: float | None = None,
        alignment_channels: int = 64,
        use_checkpoint: bool = False,
        default_input_ids: Sequence[int] = DEFAULT_INPUT_IDS,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {sorted(VARIANTS)}, got {variant!r}")
        sizes = VARIANTS[variant]
        self.text_encoder = TextEncoder(text_encoder, trainable_layers=trainable_text_layers)
        if max(default_input_ids) >= self.text_encoder.vocab_size:
            raise ValueError(
                f"default_input_ids must lie below the text encoder's vocabulary size {self.text_encoder.vocab_size}, "
                f"got {tuple(default_input_ids)}; give the ids of a default expression in its vocabulary"
            )
        self.encoder = VisionLanguageEncoder(
            in_channels,
            self.text_encoder.text_dim,
            stage_channels=sizes["stage_channels"],
            depths=sizes["depths"],
            drop_path_rate=sizes["drop_path_rate"] if drop_path_rate is None else drop_path_rate,
            text_stages=text_stages,
            language_norm=language_norm,
            zero_init_gate=zero_init_gate,
            use_checkpoint=use_checkpoint,
        )
        self.decoder = FullScaleDecoder(
            self.encoder.out_channels, sizes["embed_dim"], mixer=mixer, use_checkpoint=use_checkpoint
        )
        finest = self.encoder.strides[0]
        # Two maps, the meant lesions and every lesion; sub-pixel, as a lesion may be smaller than one finest cell.
        self.head = nn.Sequential(nn.Conv2d(sizes["embed_dim"], 2 * finest**2, 1), nn.PixelShuffle(finest))
        self.detail = (
            DetailBranch(
                in_channels, sizes["embed_dim"], feature_stride=finest, channels=detail_channels, out_channels=2
            )
            if detail_channels
            else None
        )
        self.organ = _organ_head(sizes["embed_dim"], finest) if within_organ else None
        self.align_pixels = nn.Conv2d(sizes["embed_dim"], alignment_channels, 1)
        self.align_sentence = nn.Linear(self.text_encoder.text_dim, alignment_channels)
        self.register_buffer("default_input_ids", torch.tensor([tuple(default_input_ids)]), persistent=False)

    def forward(
        self,
        image: Tensor,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        word_features: Tensor | None = None,
    ) -> Tensor | dict[str, Tensor]:
        """
        Args:
            image: (B, C, H, W) in 0..1, any H and W.
            input_ids: token ids of the expressions (B, T); None takes the default expression.
            attention_mask: (B, T), 1 for words, 0 for padding; None takes every token for a word.
            word_features: what ``encode_text`` has made of the ids, so that words are read once for many images; the
                result is then that of evaluation.

        Returns:
            In evaluation, logits (B, 1, H, W); an image batch of 1 serves all expressions and the other way round. In
            training, a dictionary with "logits", with "lesion_logits" (B, 1, H, W) of every lesion whatever the words,
            with "organ_logits" (B, 1, H, W) if the network draws the organ, and for the contrastive losses
            "pixel_embedding" (B, P, H/4, W/4), "sentence_embedding" (B, P), "input_ids" (B, T) and "attention_mask"
            (B, T).
        """
        if word_features is not None:
            if attention_mask is None:
                attention_mask = torch.ones(word_features.shape[:2], device=image.device)
            return self.segment(image, word_features, attention_mask)[1][:, :1]
        if input_ids is None:
            input_ids, attention_mask = self.default_input_ids, None
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        word_features = self.encode_text(input_ids, attention_mask)
        fused, logits = self.segment(image, word_features, attention_mask)
        if not self.training:
            return logits[:, :1]
        sentence_features = word_features.sum(dim=1) / attention_mask.sum(dim=1, keepdim=True)
        batch = logits.shape[0]
        return {
            "logits": logits[:, :1],
            "lesion_logits": logits[:, 1:2],
            **({} if self.organ is None else {"organ_logits": logits[:, 2:]}),
            "pixel_embedding": self.align_pixels(fused),
            "sentence_embedding": self.align_sentence(sentence_features).expand(batch, -1),
            "input_ids": input_ids.expand(batch, -1),
            "attention_mask": attention_mask.expand(batch, -1),
        }

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Word features (B, T, E) of the expressions; see ``TextEncoder.forward``."""
        return self.text_encoder(input_ids, attention_mask)

    def segment(self, image: Tensor, word_features: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The part after the text encoder.

        Args:
            image: (B, C, H, W), any H and W; padded inside to a multiple of 32.
            word_features: what ``encode_text`` returns.
            attention_mask: (B, T), 1 for words, 0 for padding.

        Returns:
            Fused features (B, D, H'/4, W'/4) of the padded image, and logits (B, 2, H, W) of the lesions that are meant
            and of every lesion, or (B, 3, H, W) with those of the organ.
        """
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE))
        fused = self.decoder(self.encoder(image, word_features, attention_mask))
        logits = self.head(fused)
        if self.detail is not None:
            logits = logits + self.detail(image, fused)
        if self.organ is not None:
            organ = self.organ(fused)
            logits = torch.cat([torch.minimum(logits, organ), organ], dim=1)
        return fused, logits[:, :, :height, :width]


def _organ_head(embed_dim: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(embed_dim, stride**2, 1)
    nn.init.constant_(conv.bias, OPEN)  # type: ignore[arg-type]
    return nn.Sequential(conv, nn.PixelShuffle(stride))
