# SPDX-License-Identifier: Apache-2.0
"""What the values of a label map may be."""

import math

import pytest
import torch

from lsms_monai.keys import NO_LESION, UNKNOWN
from lsms_monai.transforms import SelectTargetd


def test_a_mask_of_255_alone_is_refused_unless_nothing_is_meant(label):
    mask = (label > 0) * 255.0
    with pytest.raises(ValueError, match=r"got 255 alone, which means that nobody knows; .* write them as 1; if there"):
        SelectTargetd()({"label": mask})
    assert set(SelectTargetd()({"label": mask, "label_value": []})["label"].unique().tolist()) == {NO_LESION, UNKNOWN}


def test_values_that_a_file_gives_back_nearly_are_the_whole_numbers(label):
    code = SelectTargetd()({"label": label * 1.004, "label_value": 4})["label"].as_tensor()
    assert torch.equal(code, SelectTargetd()({"label": label, "label_value": 4})["label"].as_tensor())


@pytest.mark.parametrize("value", [0.5, -1.0, math.nan])
def test_a_label_that_holds_no_whole_numbers_is_refused(label, value):
    label = label.clone().float()
    label[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match=f"label must hold whole numbers from 0, one per lesion, got {value:g}; save"):
        SelectTargetd()({"label": label, "label_value": 4})
