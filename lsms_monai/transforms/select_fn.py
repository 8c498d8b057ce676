# SPDX-License-Identifier: Apache-2.0
"""Functions that transforms of MONAI take as `select_fn`."""

import torch

from lsms_monai.keys import UNKNOWN


def any_slice_shows(image: torch.Tensor) -> torch.Tensor:
    """Where any slice is brighter than 0, all of them; everywhere if none is.

    In MONAI's ``CropForegroundd`` it cuts off the air beside the patient, and no slice.

    Args:
        image: (C, W, H, D), after windowing.

    Returns:
        Of the same shape, boolean.
    """
    shown = (image > 0).any(dim=-1, keepdim=True)
    return (shown | ~shown.any()).expand_as(image)


def is_known(label: torch.Tensor) -> torch.Tensor:
    """Where it is known what a voxel is.

    In MONAI's ``MaskIntensityd`` it takes the rest out of a mask, as no score may depend on it.

    Args:
        label: what ``SelectTargetd`` gives.

    Returns:
        Of the same shape, boolean.
    """
    return label != UNKNOWN
