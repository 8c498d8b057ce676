# SPDX-License-Identifier: Apache-2.0
"""Augmentation that keeps the words true."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Flip, MapTransform, RandomizableTransform

from lsms_monai.data.rewording import mirror
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL


class RandMirrord(RandomizableTransform, MapTransform):
    """Mirror image and label left to right and exchange left and right in the expression.

    Never flip with MONAI's ``RandFlipd``: the words would no longer fit the image.

    Args:
        keys: images and labels (C, W, ...), the first spatial axis from the patient's right to left or back.
        prob: probability of mirroring.

    Example:
        >>> import torch
        >>> sample = {"image": torch.zeros(1, 4, 4), "expression": "the cyst in the left lobe"}
        >>> RandMirrord(keys="image", prob=1.0)(sample)["expression"]
        'the cyst in the right lobe'
    """

    def __init__(self, keys: KeysCollection = (IMAGE, LABEL), prob: float = 0.5) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.flip = Flip(spatial_axis=0)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        self.randomize(None)
        if self._do_transform:
            for key in self.key_iterator(result):
                result[key] = self.flip(result[key])
            result[EXPRESSION] = mirror(result[EXPRESSION])
        return result
