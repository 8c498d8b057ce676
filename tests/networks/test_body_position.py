# SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn
from torch.nn import functional as F

from lsms_monai.networks.body_position import BodyPosition, body_coordinates


def body(height=96, width=128):
    """An ellipse, 60 x 80 pixels, left of and above the middle of the image."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((((rows - 40) / 30) ** 2 + ((columns - 50) / 40) ** 2) <= 1).float()[None, None]


def test_coordinates_are_zero_in_the_middle_of_the_body_and_two_at_its_edge():
    along_height, along_width = body_coordinates(body())[0]
    torch.testing.assert_close(torch.stack([along_height, along_width])[:, 40, 50], torch.zeros(2), rtol=0, atol=0.01)
    torch.testing.assert_close(along_height[[10, 70], 50], torch.tensor([-2.0, 2.0]), rtol=0, atol=0.02)
    torch.testing.assert_close(along_width[40, [10, 90]], torch.tensor([-2.0, 2.0]), rtol=0, atol=0.02)


def test_coordinates_move_with_the_body_and_not_with_the_field_of_view():
    small, large = body_coordinates(body()), body_coordinates(F.pad(body(), (32, 64, 64, 32)))
    torch.testing.assert_close(large[:, :, 64:-32, 32:-64], small, rtol=1e-4, atol=1e-4)


def test_coordinates_are_the_same_for_a_body_of_twice_the_size():
    large = F.interpolate(body(), scale_factor=2)
    pooled = F.avg_pool2d(body_coordinates(large), 2)
    torch.testing.assert_close(pooled, body_coordinates(body()), rtol=0, atol=0.01)


def test_an_empty_image_has_coordinates_too():
    assert body_coordinates(torch.zeros(2, 3, 32, 64)).isfinite().all()


def test_positions_start_as_zeros_and_tell_left_from_right_once_learned():
    position = BodyPosition((8, 16), (4, 8))
    assert [(tuple(m.shape), m.abs().max().item()) for m in position(body())] == [
        ((1, 8, 24, 32), 0.0),
        ((1, 16, 12, 16), 0.0),
    ]
    for project in position.project.children():
        nn.init.normal_(project.weight)
    left, right = position(body())[0][0, :, 10, [5, 19]].T
    assert (left - right).abs().max() > 0.1
