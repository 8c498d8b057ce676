# SPDX-License-Identifier: Apache-2.0
"""What the image shows between the cells of the decoder's map."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE_STRIDE = 2
INITIAL_SIZE = 0.01


class DetailBranch(nn.Module):
    """Correct logits where the image knows the border better than features at stride 4 do.

    A lesion of 10 mm is little more than one cell of them. The pixels of the image, unchanged, meet the features on a
    grid of stride 2, two 3x3 convolutions compare them, and a sub-pixel convolution draws at full resolution. Not in
    the paper.

    Args:
        image_channels: channels C of the image.
        feature_channels: channels D of the features.
        feature_stride: pixels of the image from one cell of the features to the next, a multiple of 2.
        channels: channels on the grid of stride 2.
        out_channels: maps of logits N.
    """

    def __init__(
        self, image_channels: int, feature_channels: int, *, feature_stride: int, channels: int, out_channels: int
    ) -> None:
        super().__init__()
        self.look = nn.Conv2d(image_channels * IMAGE_STRIDE**2, channels, 3, padding=1)
        finer = feature_stride // IMAGE_STRIDE
        self.expect = nn.Sequential(nn.Conv2d(feature_channels, channels * finer**2, 1), nn.PixelShuffle(finer))
        self.compare = nn.Conv2d(channels, channels, 3, padding=1)
        correct = nn.Conv2d(channels, out_channels * IMAGE_STRIDE**2, 1)
        with torch.no_grad():
            for parameter in correct.parameters():
                parameter.mul_(INITIAL_SIZE)  # trained weights gain the branch without a jump
        self.correct = nn.Sequential(correct, nn.PixelShuffle(IMAGE_STRIDE))

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        """
        Args:
            image: (B, C, H, W), H and W multiples of the features' stride.
            features: (B, D, H / stride, W / stride). A batch of 1 on either side serves all of the other.

        Returns:
            What to add to the logits (B, N, H, W).
        """
        seen = self.look(F.pixel_unshuffle(image, IMAGE_STRIDE))
        hidden = F.gelu(seen + self.expect(features))
        corrections: Tensor = self.correct(F.gelu(self.compare(hidden)))
        return corrections
