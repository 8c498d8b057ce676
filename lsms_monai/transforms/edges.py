# SPDX-License-Identifier: Apache-2.0
"""Where a lesion ends."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch.nn import functional

from lsms_monai.keys import PRED


class TrimEdgesd(MapTransform):
    """End a lesion where its log-odds have fallen to a part of the highest nearby.

    The network is generous: Dice and cross-entropy teach it not to miss what small lesions there are, and around each
    it marks a rim, with lower odds than the lesion itself. So every pixel loses `rate` times the highest logit around
    it. What remains above 0 is what was above that part of the highest; a faint lesion is measured by itself, and
    where all odds are below one nothing changes.

    Args:
        keys: logits of slices (C, W, H) or volumes (C, W, H, D), slice by slice.
        rate: part of the highest logit that a pixel has to reach, 0 <= rate < 1; 0 changes nothing.
        size: side of the square around a pixel in which the highest is looked for, in pixels, odd.

    Raises:
        ValueError: if rate or size are not as above.
    """

    def __init__(self, keys: KeysCollection = PRED, rate: float = 0.0, size: int = 5) -> None:
        super().__init__(keys)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1, got {rate}; 0 changes nothing")
        if size < 1 or size % 2 == 0:
            raise ValueError(f"size must be an odd number of pixels, got {size}; take 5")
        self.rate = rate
        self.size = size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            logits = result[key]
            slices = logits.movedim(-1, 0) if logits.ndim == 4 else logits[None]
            highest = functional.max_pool2d(slices, self.size, stride=1, padding=self.size // 2).clamp(min=0)
            highest = highest.movedim(0, -1) if logits.ndim == 4 else highest[0]
            result[key] = logits - self.rate * highest
        return result
