# SPDX-License-Identifier: Apache-2.0
"""The laws that every network obeys that reads words; ``conftest.py`` lists the networks."""

import pytest
from torch.nn import functional as F

TAKES = ("attention_mask",)
TEXT_PARTS = ("input_ids", "attention_mask", "word_features")


@pytest.mark.parametrize("num_pads", [1, 7])
def test_the_number_of_padding_tokens_changes_nothing(case, network, sample, expected, change, assert_same, num_pads):
    padded = change(sample, ["attention_mask"], lambda mask: F.pad(mask, (0, num_pads)))
    padded = change(padded, ["input_ids"], lambda ids: F.pad(ids, (0, num_pads), value=17))
    padded = change(padded, ["word_features"], lambda words: F.pad(words, (0, 0, 0, num_pads), value=100.0))
    outputs = case(network, padded)
    # Word features come out one for each token; all other outputs keep their shape.
    assert_same([output[:, : known.shape[1]] for output, known in zip(outputs, expected, strict=True)], expected)


def test_the_content_of_padding_changes_nothing(case, network, sample, expected, assert_same):
    ids, words = sample["input_ids"].clone(), sample["word_features"].clone()
    ids[1, 4], words[1, 4] = 42, -100.0
    assert_same(case(network, sample | {"input_ids": ids, "word_features": words}), expected)


def test_another_expression_changes_the_output(case, network, sample, expected, change, difference):
    other = change(sample, TEXT_PARTS, lambda tensor: tensor.flip(0))
    assert difference(case(network, other), expected) > 1e-4


def test_one_other_word_changes_the_output(case, network, sample, expected, difference):
    ids, words = sample["input_ids"].clone(), sample["word_features"].clone()
    ids[:, 2], words[:, 2] = 3, 0.1
    assert difference(case(network, sample | {"input_ids": ids, "word_features": words}), expected) > 1e-4


def test_one_image_serves_several_expressions(case, network, sample, change, assert_same):
    images = {*case.parts} - {*TEXT_PARTS}
    several = case(network, change(sample, images, lambda tensor: tensor[:1]))
    repeated = case(network, change(sample, images, lambda tensor: tensor[:1].expand_as(tensor)))
    assert_same([one.expand_as(other) for one, other in zip(several, repeated, strict=True)], repeated)


def test_one_expression_serves_several_images(case, network, sample, change, assert_same):
    one = case(network, change(sample, TEXT_PARTS, lambda tensor: tensor[:1]))
    repeated = case(network, change(sample, TEXT_PARTS, lambda tensor: tensor[:1].expand_as(tensor)))
    assert_same([output.expand_as(other) for output, other in zip(one, repeated, strict=True)], repeated)
