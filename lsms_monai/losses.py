# SPDX-License-Identifier: Apache-2.0
"""What training minimises: overlap and cross-entropy of the mask, and agreement between words and pixels."""

from collections.abc import Mapping

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional as F

LESION_WEIGHT = 3.0


class RegionSentenceContrastiveLoss(nn.Module):
    """Pull the mean embedding of a lesion towards its sentence and away from the other sentences of the batch.

    Symmetric InfoNCE (van den Oord et al., arXiv 1807.03748). LSMS (arXiv 2408.17347, v3) names a vision-language
    contrastive loss without giving its form. Equal expressions count as one another's positives; samples without a
    target take no part.

    Args:
        temperature: divides the cosine similarities, > 0.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, output: Mapping[str, Tensor], label: Tensor) -> Tensor:
        """
        Args:
            output: what ``LSMS`` returns in training.
            label: (B, 1, H, W), 1 on the lesions that the expression means.

        Returns:
            A scalar; 0 if no sample has a target.
        """
        pixels = output["pixel_embedding"].float()
        weight = _at_stride(label, pixels)
        has_target = weight.flatten(1).sum(dim=1) > 0
        weight, pixels, ids = weight[has_target], pixels[has_target], output["input_ids"][has_target]
        if len(pixels) == 0:
            return output["pixel_embedding"].sum() * 0.0 + output["sentence_embedding"].sum() * 0.0
        regions = F.normalize((pixels * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3)), dim=1)
        sentences = F.normalize(output["sentence_embedding"].float()[has_target], dim=1)
        similarity = regions @ sentences.T / self.temperature  # (B, B)
        positives = (ids[:, None] == ids[None]).all(dim=2).float()
        positives = positives / positives.sum(dim=1, keepdim=True)
        return (F.cross_entropy(similarity, positives) + F.cross_entropy(similarity.T, positives)) / 2


class TextToPixelContrastiveLoss(nn.Module):
    """Pull the pixels of the meant lesions towards the sentence and push all other pixels of the image away from it.

    Binary cross-entropy of the cosine similarities, as in CRIS (arXiv 2111.15174, 3.3); the other lesions of the image
    are its hard negatives, so it needs no large batch.

    Args:
        temperature: divides the cosine similarities, > 0.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, output: Mapping[str, Tensor], label: Tensor) -> Tensor:
        """As ``RegionSentenceContrastiveLoss.forward``."""
        pixels = F.normalize(output["pixel_embedding"].float(), dim=1)
        sentences = F.normalize(output["sentence_embedding"].float(), dim=1)
        similarity = torch.einsum("bphw,bp->bhw", pixels, sentences).unsqueeze(1) / self.temperature
        return F.binary_cross_entropy_with_logits(similarity, _at_stride(label, pixels))


class LSMSLoss(nn.Module):
    """Segmentation loss plus a weighted contrastive loss.

    Args:
        segmentation: loss of (logits, label); by default Dice + binary cross-entropy, 1 : 1. Dice is that of the whole
            batch, so that samples without a target have a gradient, and large lesions count more than small ones;
            lesion pixels weigh ``LESION_WEIGHT`` times in the cross-entropy.
        alignment: loss of (training output, label), such as ``RegionSentenceContrastiveLoss``; None leaves it out.
        alignment_weight: weight of the contrastive loss.
    """

    def __init__(
        self, segmentation: nn.Module | None = None, alignment: nn.Module | None = None, alignment_weight: float = 0.1
    ) -> None:
        super().__init__()
        self.segmentation = segmentation or DiceCELoss(
            sigmoid=True, batch=True, smooth_nr=1e-3, smooth_dr=1e-3, weight=torch.tensor(LESION_WEIGHT)
        )
        self.alignment = alignment
        self.alignment_weight = alignment_weight

    def forward(self, output: Mapping[str, Tensor], label: Tensor) -> Tensor:
        """As ``RegionSentenceContrastiveLoss.forward``."""
        label = label.float()
        loss = self.segmentation(output["logits"].float(), label)
        if self.alignment is not None:
            loss = loss + self.alignment_weight * self.alignment(output, label)
        return loss


def _at_stride(label: Tensor, pixels: Tensor) -> Tensor:
    """Share of each pixel of the embedding map that the label covers, (B, 1, h, w)."""
    # The network pads the image at its far edges to a multiple of 32; the label follows.
    stride = 4
    height, width = (stride * side for side in pixels.shape[2:])
    padded = F.pad(label.float(), (0, width - label.shape[3], 0, height - label.shape[2]))
    return F.avg_pool2d(padded, stride)
