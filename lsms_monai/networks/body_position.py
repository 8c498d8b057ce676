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
        rows, columns = (_waves(one).to(image.dtype) for one in (coordinates[:, 0, :, 0], coordinates[:, 1, 0]))
        maps = []
        for project, stride in zip(self.project, self.strides, strict=True):
            of_rows, of_columns = (F.avg_pool1d(waves, stride) for waves in (rows, columns))
            height, width = of_rows.shape[2], of_columns.shape[2]
            pair = (of_rows[..., None].expand(-1, -1, -1, width), of_columns[:, :, None].expand(-1, -1, height, -1))
            maps.append(project(torch.stack(pair, dim=2).flatten(1, 2)))  # (B, F, 2, h, w) -> (B, 2F, h, w)
        return maps


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


def _waves(places: Tensor) -> Tensor:
    """Sines and cosines of places (B, N), (B, 2 * NUM_FREQUENCIES, N)."""
    phases = [places * (math.pi / 4 * 2**power) for power in range(NUM_FREQUENCIES)]
    return torch.stack([wave for phase in phases for wave in (phase.sin(), phase.cos())], dim=1)
