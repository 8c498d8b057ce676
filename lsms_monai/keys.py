# SPDX-License-Identifier: Apache-2.0
"""The names under which a sample carries its parts, from the datalist to the metrics."""

from monai.utils.enums import CommonKeys

IMAGE: str = CommonKeys.IMAGE.value  # (C, H, W) or (C, H, W, D), HU before windowing, 0..1 after
LABEL: str = CommonKeys.LABEL.value  # (1, H, W[, D]), label map, then a code of `lsms_monai.keys` for each voxel
PRED: str = CommonKeys.PRED.value  # (1, H, W[, D]), logits, then probabilities, then 0/1
EXPRESSION = "expression"  # str, the words that name the lesion
PROMPT = "prompt"  # str, what MONAI Label calls the expression
INPUT_IDS = "input_ids"  # (T,) int64, the expression as tokens
ATTENTION_MASK = "attention_mask"  # (T,) int64, 1 for words, 0 for padding
LABEL_VALUE = "label_value"  # int or list of int, the values of the label map that the expression means
ORGAN = "organ"  # (1, H, W[, D]), mask of the organ that holds the lesions
SLICE_INDEX = "slice_index"  # int, axial slice, 0 nearest to the feet
PATIENT_ID = "patient_id"  # str, the unit of every split

# What a voxel of the label is once the expression is known.
# Without an organ's mask, what is neither a lesion nor unknown has no lesion; with one, it is inside or outside.
NO_LESION, MEANT, NOT_MEANT, UNKNOWN, INSIDE_ORGAN, OUTSIDE_ORGAN = range(6)
UNKNOWN_VALUE = 255  # value of the label map where nobody knows: it counts neither in training nor as a lesion
SURE_OF_NOTHING = -20.0  # logit of a voxel that certainly belongs to nothing
