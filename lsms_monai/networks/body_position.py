# SPDX-License-Identifier: Apache-2.0
"""Where in the body a pixel lies."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NUM_FREQUENCIES = 4


class BodyPosition(nn.Module):
    """Tell features where in the body they lie, so that words of place can select among them.

    Maps of coordinates beside the image features are usual where words refer to places (Hu et al., arXiv 1603.06180,
    3.1). Here they count from the centre of what the image shows, in units of its spread, and so neither depend on the
    field of view nor on where the patient lies in it. They start as zeros.

    Args:
        out_channels: channels C_i of the features of each scale.
        strides: stride s_i of each scale.
    """

    def __init__(self, out_channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.project = nn.ModuleList(nn.Conv2d(4 * NUM_FREQUENCIES, channels, 1) for channels in out_channels)
        for parameter in self.project.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> list[Tensor]:
        """
        Args:
            image: (B, C, H, W), H and W divisible by every stride; what is brighter than 0 is the body.

        Returns:
            Maps to be added to the features [(B, C_i, H / s_i, W / s_i)].
        """
        coordinates = body_coordinates(image)
        phases = [coordinates * (math.pi / 4 * 2**power) for power in range(NUM_FREQUENCIES)]
        waves = torch.cat([wave for phase in phases for wave in (phase.sin(), phase.cos())], dim=1).to(image.dtype)
        return [
            project(F.avg_pool2d(waves, stride)) for project, stride in zip(self.project, self.strides, strict=True)
        ]


def body_coordinates(image: Tensor) -> Tensor:
    """Both coordinates of each pixel, from the centre of brightness in units of its standard deviation.

    Args:
        image: (B, C, H, W); values below 0 count as 0.

    Returns:
        (B, 2, H, W): along H, and along W; about -2 to 2 over an evenly filled body.
    """
    mass = image.float().clamp(min=0).sum(dim=1)  # (B, H, W)
    total = mass.sum(dim=(1, 2)).clamp(min=1.0)[:, None]
    maps = []
    for axis in (1, 2):
        places = torch.arange(mass.shape[axis], device=mass.device, dtype=mass.dtype)[None]
        profile = mass.sum(dim=3 - axis) / total  # (B, H) or (B, W)
        centre = (profile * places).sum(dim=1, keepdim=True)
        spread = ((profile * (places - centre) ** 2).sum(dim=1, keepdim=True) + 1.0).sqrt()  # one pixel at least
        maps.append(((places - centre) / spread).unsqueeze(3 - axis).expand_as(mass))
    return torch.stack(maps, dim=1)
