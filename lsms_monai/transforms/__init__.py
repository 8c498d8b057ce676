# SPDX-License-Identifier: Apache-2.0
"""Dictionary transforms for expressions and CT slices; everything else is MONAI's."""

from lsms_monai.transforms.ct import (
    CheckCTd,
    ResampleKeysd,
    SelectSliced,
    SelectTargetd,
    StackAdjacentSlicesd,
    StraightenTiltd,
)
from lsms_monai.transforms.edges import TrimEdgesd
from lsms_monai.transforms.mirror import RandMirrord
from lsms_monai.transforms.text import SelectExpressiond, TokenizeExpressiond
from lsms_monai.transforms.volume import LowerVolumeOddsd

__all__ = [
    "CheckCTd",
    "LowerVolumeOddsd",
    "RandMirrord",
    "ResampleKeysd",
    "SelectExpressiond",
    "SelectSliced",
    "SelectTargetd",
    "StackAdjacentSlicesd",
    "StraightenTiltd",
    "TokenizeExpressiond",
    "TrimEdgesd",
]
