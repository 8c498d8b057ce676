# SPDX-License-Identifier: Apache-2.0
"""The networks, each an ``nn.Module`` that knows arguments and not dictionary keys."""

from lsms_monai.networks.detail_branch import DetailBranch
from lsms_monai.networks.full_scale_decoder import FullScaleDecoder
from lsms_monai.networks.lsms import LSMS
from lsms_monai.networks.scale_aware_attention import ScaleAwareVisionLanguageAttention, WordToPixelAttention
from lsms_monai.networks.scale_mixers import FactorizedScaleMixer, GroupedScaleMixer, PooledScaleMixer
from lsms_monai.networks.text_encoder import TextEncoder
from lsms_monai.networks.vision_language_encoder import VisionLanguageBlock, VisionLanguageEncoder

__all__ = [
    "LSMS",
    "DetailBranch",
    "FactorizedScaleMixer",
    "FullScaleDecoder",
    "GroupedScaleMixer",
    "PooledScaleMixer",
    "ScaleAwareVisionLanguageAttention",
    "TextEncoder",
    "VisionLanguageBlock",
    "VisionLanguageEncoder",
    "WordToPixelAttention",
]
