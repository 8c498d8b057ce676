# SPDX-License-Identifier: Apache-2.0
"""What tells a volume from a slice."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from lsms_monai.keys import PRED


class LowerVolumeOddsd(MapTransform):
    """Expect less of one slice of a volume than of a slice that is an image by itself.

    Most expressions that the network has learned from mean something on their slice. On most slices of a volume they
    mean nothing, and each of them is a chance to be wrong. By Bayes' rule a lower prior divides the odds of every
    pixel, which subtracts the logarithm of the ratio from its logit. A single slice stays as it is.

    Args:
        keys: logits (C, W, H, D).
        ratio: the odds are divided by it, > 0; 1 changes nothing.

    Raises:
        ValueError: if the ratio is not above 0.
    """

    def __init__(self, keys: KeysCollection = PRED, ratio: float = 1.0) -> None:
        super().__init__(keys)
        if not ratio > 0:
            raise ValueError(f"ratio must be above 0, got {ratio}; 1 changes nothing")
        self.ratio = ratio

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            if result[key].shape[-1] > 1:
                result[key] = result[key] - math.log(self.ratio)
        return result
