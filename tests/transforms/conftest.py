# SPDX-License-Identifier: Apache-2.0
"""A small CT with two labelled lesions."""

import pytest
import torch
from monai.data import MetaTensor


@pytest.fixture
def affine():
    """Voxel to RAS mm of an LPS-ordered volume, 2 x 3 x 5 mm."""
    matrix = torch.diag(torch.tensor([-2.0, -3.0, 5.0, 1.0], dtype=torch.float64))
    matrix[:3, 3] = torch.tensor([70.0, 110.0, -40.0])
    return matrix


@pytest.fixture
def image(affine):
    """Air, and a body of 60 HU; (1, 7, 11, 5)."""
    voxels = torch.full((1, 7, 11, 5), -1000.0)
    voxels[:, 1:6, 1:10] = 60.0
    voxels += torch.arange(5.0)
    return MetaTensor(voxels, affine=affine)


@pytest.fixture
def label(affine):
    """Lesion 1 lies in slices 1 to 3, largest in slice 2; lesion 4 in slice 3 alone."""
    voxels = torch.zeros(1, 7, 11, 5, dtype=torch.uint8)
    voxels[0, 1:3, 2:4, 1:4] = 1
    voxels[0, 1:4, 2:5, 2] = 1
    voxels[0, 4:6, 6:9, 3] = 4
    return MetaTensor(voxels, affine=affine)
