# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from lsms_monai.data.outlines import Outlines, read_outlines
from lsms_monai.keys import UNKNOWN_VALUE

SQUARE = [[10, 20], [15, 20], [15, 30], [10, 30]]


def test_each_lesion_has_a_value_of_its_own_where_it_was_drawn():
    labels = Outlines([SQUARE, [[30, 5], [36, 5], [36, 9]]], [[[0, 0], [3, 0], [3, 3], [0, 3]]]).label_map((64, 48))
    assert labels.shape == (64, 48)
    assert np.unique(labels).tolist() == [0, 1, 2, UNKNOWN_VALUE]
    assert (labels[10:16, 20:31] == 1).all()
    assert (labels == 1).sum() == 6 * 11
    assert (labels[:4, :4] == UNKNOWN_VALUE).all()


def test_a_pixel_belongs_to_a_lesion_whose_outline_goes_round_its_middle():
    around = [[9.6, 19.6], [11.4, 19.6], [11.4, 22.4], [9.6, 22.4]]
    assert np.argwhere(Outlines([around]).label_map((64, 48))).tolist() == [
        [x, y] for x in (10, 11) for y in (20, 21, 22)
    ]


def test_a_lesion_is_drawn_over_what_nobody_is_sure_of():
    assert UNKNOWN_VALUE not in Outlines([SQUARE], [SQUARE]).label_map((64, 48))


def test_a_slice_on_which_nothing_was_seen_is_not_one_that_nobody_has_looked_at(tmp_path):
    path = tmp_path / "outlines.json"
    path.write_text(json.dumps({"slices": {"a_1": {}, "a_2": {"lesions": [SQUARE]}}}))
    read = read_outlines(path)
    assert set(read) == {"a_1", "a_2"}
    assert not read["a_1"].label_map((64, 48)).any()


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "no JSON", '{"slices": {"a": {"lesions": [[[1, 2], [3, 4]]]}}}', '{"slices": {"a": {"unsure": [7]}}}'],
)
def test_a_file_of_another_form_is_refused(tmp_path, content):
    path = tmp_path / "outlines.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r'outlines.json must be JSON \{"slices": .* three points or more'):
        read_outlines(path)
