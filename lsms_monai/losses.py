# SPDX-License-Identifier: Apache-2.0
"""What training minimises: overlap and cross-entropy of the mask, and agreement between words and pixels."""

from collections.abc import Mapping

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional as F

from lsms_monai.keys import INSIDE_ORGAN, MEANT, NOT_MEANT, OUTSIDE_ORGAN, SURE_OF_NOTHING, UNKNOWN

NUM_HARDEST = 64  # pixels of an image
BORDER = 2  # pixels around a lesion where an error is one of its outline


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
    """Segmentation of the meant lesions, of every lesion whatever the words, and agreement of words and pixels.

    The label holds for each pixel a code of `lsms_monai.keys`; pixels of which nothing is known count nowhere.

    Args:
        batch_dice: take Dice over the whole batch, with which training from random weights starts at once, and not for
            each image, with which small lesions count as much as large ones.
        foreground_weight: weight of a target's pixels in the cross-entropy. Above 1, training from random weights
            starts at once; trained weights go on with 1.
        lesion_weight: weight of the segmentation of every lesion.
        selection_weight: weight of the choice among lesions: cross-entropy on lesions alone, those that are meant and
            the others weighing the same. Without it Dice rewards a mask of all lesions as long as the words are not yet
            understood.
        background_weight: weight of the hardest background pixels of each image (online hard example mining, arXiv
            1604.03540). Without it a false focus among 20,000 right pixels costs next to nothing.
        organ_weight: weight of the organ's map, where the network draws one and the organ is known.
        alignment: loss of (training output, label), such as ``RegionSentenceContrastiveLoss``; None leaves it out.
        alignment_weight: weight of the contrastive loss.
    """

    def __init__(
        self,
        *,
        batch_dice: bool = True,
        foreground_weight: float = 3.0,
        lesion_weight: float = 0.5,
        selection_weight: float = 0.5,
        background_weight: float = 0.3,
        organ_weight: float = 0.5,
        alignment: nn.Module | None = None,
        alignment_weight: float = 0.1,
    ) -> None:
        super().__init__()
        # Smoothing by one pixel gives an image without a target a gradient, too.
        self.segmentation = DiceCELoss(
            sigmoid=True, batch=batch_dice, smooth_nr=1.0, smooth_dr=1.0, weight=torch.tensor(foreground_weight)
        )
        self.lesion_weight = lesion_weight
        self.selection_weight = selection_weight
        self.background_weight = background_weight
        self.organ_weight = organ_weight
        self.alignment = alignment
        self.alignment_weight = alignment_weight

    def forward(self, output: Mapping[str, Tensor], label: Tensor) -> Tensor:
        """
        Args:
            output: what ``LSMS`` returns in training.
            label: (B, 1, H, W), what ``SelectTargetd`` gives.

        Returns:
            A scalar.
        """
        meant, unknown = label == MEANT, label == UNKNOWN
        lesion = meant | (label == NOT_MEANT)
        loss = self._segment(output["logits"], meant, unknown)
        if self.lesion_weight:
            loss = loss + self.lesion_weight * self._segment(output["lesion_logits"], lesion, unknown)
        if self.selection_weight:
            loss = loss + self.selection_weight * self._select(output["logits"].float(), meant, lesion)
        if self.background_weight:
            loss = loss + self.background_weight * self._spare(output["logits"].float(), lesion | unknown)
        if self.organ_weight and "organ_logits" in output:
            loss = loss + self.organ_weight * self._find_organ(output["organ_logits"].float(), lesion, label)
        if self.alignment is not None:
            loss = loss + self.alignment_weight * self.alignment(output, meant)
        return loss

    def _select(self, logits: Tensor, meant: Tensor, lesion: Tensor) -> Tensor:
        """Cross-entropy on lesions; in each image what is meant counts as much as what is not, whatever their sizes."""
        choice = F.binary_cross_entropy_with_logits(logits, meant.float(), reduction="none")
        means = [
            (choice * region).flatten(1).sum(dim=1) / region.flatten(1).sum(dim=1).clamp(min=1)
            for region in (meant, lesion & ~meant)
        ]
        return torch.stack(means).mean()

    def _spare(self, logits: Tensor, not_background: Tensor) -> Tensor:
        """Cross-entropy on the pixels of each image that look most like a target, away from every lesion."""
        near = F.max_pool2d(not_background.float(), 2 * BORDER + 1, stride=1, padding=BORDER) > 0
        background = logits.masked_fill(near, SURE_OF_NOTHING).flatten(1)
        return F.softplus(background.topk(min(NUM_HARDEST, background.shape[1]), dim=1).values).mean()

    def _find_organ(self, logits: Tensor, lesion: Tensor, label: Tensor) -> Tensor:
        """Cross-entropy where it is known what is organ, lesions being part of it; 0 if that is known nowhere."""
        organ = lesion | (label == INSIDE_ORGAN)
        known = organ | (label == OUTSIDE_ORGAN)
        losses = F.binary_cross_entropy_with_logits(logits, organ.float(), reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1)

    def _segment(self, logits: Tensor, target: Tensor, unknown: Tensor) -> Tensor:
        """Dice + cross-entropy; an unknown pixel counts as rightly answered."""
        return self.segmentation(logits.float().masked_fill(unknown, SURE_OF_NOTHING), target.float())


def _at_stride(label: Tensor, pixels: Tensor) -> Tensor:
    """Share of each pixel of the embedding map that the label covers, (B, 1, h, w)."""
    # The network pads the image at its far edges to a multiple of 32; the label follows.
    stride = 4
    height, width = (stride * side for side in pixels.shape[2:])
    padded = F.pad(label.float(), (0, width - label.shape[3], 0, height - label.shape[2]))
    return F.avg_pool2d(padded, stride)
