# SPDX-License-Identifier: Apache-2.0
"""Volumes are searched for lesions of any kind before they are asked for what words say."""

import pytest
import torch

from lsms_monai.inferers import ExpressionSliceInferer

SEARCH = {"input_ids": torch.tensor([1, 2, 0, 0]), "attention_mask": torch.tensor([1, 1, 0, 0])}


class Stub:
    """Answers image + sum of the ids it is asked for, and records how many slices it was given."""

    def __init__(self):
        self.calls = []

    def __call__(self, image, input_ids, attention_mask):
        self.calls.append(len(image))
        return image + (input_ids * attention_mask).sum(dim=1)[:, None, None, None]


def searched(volume, ids, **settings):
    """The answer of an inferer that searches first, and the slices of each call."""
    given = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    stub = Stub()
    return ExpressionSliceInferer(2, search=SEARCH, **settings)(volume, stub, **given), stub.calls


@pytest.mark.parametrize(("ids", "calls"), [([[3, 4]], [2, 2, 2, 1]), ([[3, 4], [5, 0]], [2, 2, 1, 1, 1])])
def test_only_slices_that_may_show_a_lesion_are_asked_for_more(ids, calls):
    volume = torch.zeros(1, 1, 5, 7, 4)
    volume[..., 1:3] = -3.1  # the search answers 3 more, and 0 is as likely as not
    volume[0, 0, 2, 2, 2] = -2.9
    answer, seen = searched(volume, torch.tensor(ids))
    expected = torch.cat([volume + sum(one) for one in ids])
    expected[..., 1] = -20
    torch.testing.assert_close(answer, expected)
    assert seen == calls


def test_an_expression_that_says_no_more_than_the_search_is_answered_by_it():
    volume = torch.rand(1, 1, 5, 7, 4)
    answer, seen = searched(volume, torch.tensor([[1, 2, 0], [3, 4, 5]]))
    torch.testing.assert_close(answer, torch.cat([volume + 3, volume + 12]))
    assert seen == [2, 2, 2, 2]


def test_where_the_search_finds_nothing_nothing_more_is_asked():
    volume = torch.full((2, 1, 5, 7, 3), -9.0)
    answer, seen = searched(volume, torch.tensor([[3, 4], [5, 0]]))
    assert answer.unique().tolist() == [-20]
    assert seen == [2, 1, 2, 1]


def test_how_likely_a_lesion_has_to_be_can_be_told():
    volume = torch.full((1, 1, 5, 7, 2), -3.5)  # the search answers -0.5
    for probability, expected in ((0.3, 3.5), (0.4, -20)):
        answer, _ = searched(volume, torch.tensor([[3, 4]]), search_probability=probability)
        assert answer.unique().tolist() == [expected]


@pytest.mark.parametrize("shape", [(1, 1, 5, 7), (1, 1, 5, 7, 1)])
def test_a_slice_by_itself_is_not_searched(shape):
    answer, seen = searched(torch.full(shape, -9.0), torch.tensor([[3, 4]]))
    assert answer.unique().tolist() == [-2]
    assert seen == [1]


@pytest.mark.parametrize("probability", [0, 1])
def test_a_search_for_what_is_never_or_always_there_is_refused(probability):
    with pytest.raises(ValueError, match=f"search_probability must lie between 0 and 1, got {probability}; take 0.5"):
        ExpressionSliceInferer(search_probability=probability)
