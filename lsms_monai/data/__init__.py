# SPDX-License-Identifier: Apache-2.0
"""From files to samples: phantoms, expressions, datalists and the reader of CT images."""

from lsms_monai.data.datalist import inference_data, load_datalist, training_data
from lsms_monai.data.expressions import Expression, sample_expressions, word
from lsms_monai.data.meaning import LesionAttributes, Meaning
from lsms_monai.data.phantom import Phantom, phantom, write_phantoms
from lsms_monai.data.reader import CTReader, find_images
from lsms_monai.data.rewording import contradict, reword

__all__ = [
    "CTReader",
    "Expression",
    "LesionAttributes",
    "Meaning",
    "Phantom",
    "contradict",
    "find_images",
    "inference_data",
    "load_datalist",
    "phantom",
    "reword",
    "sample_expressions",
    "training_data",
    "word",
    "write_phantoms",
]
