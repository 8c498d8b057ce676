# SPDX-License-Identifier: Apache-2.0
"""From files to samples: phantoms, expressions, datalists and the reader of CT images."""

from lsms_monai.data.expressions import Expression, sample_expressions, word
from lsms_monai.data.meaning import LesionAttributes, Meaning
from lsms_monai.data.phantom import Phantom, phantom, write_phantoms

__all__ = [
    "Expression",
    "LesionAttributes",
    "Meaning",
    "Phantom",
    "phantom",
    "sample_expressions",
    "word",
    "write_phantoms",
]
