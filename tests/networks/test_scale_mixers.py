# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lsms_monai.networks import FactorizedScaleMixer, GroupedScaleMixer, PooledScaleMixer
from lsms_monai.networks.scale_mixers import SelfAttention

DIM = 16
WINDOWS = (8, 4, 2, 1)
MIXERS = [GroupedScaleMixer, PooledScaleMixer, FactorizedScaleMixer]


def pyramid(height=3, width=5, batch=1):
    """Maps of an image that has height x width positions at stride 32."""
    return [torch.randn(batch, DIM, height * side, width * side) for side in WINDOWS]


def changed_places(mixer, features, scale, row, column):
    """Where the output differs, as one (H_i, W_i) mask a scale, when one pixel of one map is changed."""
    features = [feature.double() for feature in features]
    other = [feature.clone() for feature in features]
    other[scale][0, :, row, column] = torch.randn(DIM, dtype=torch.float64)
    pairs = zip(mixer.double()(other), mixer(features), strict=True)
    return [(one - two).abs().amax(dim=(0, 1)) > 1e-12 for one, two in pairs]


def rolled(features):
    """The maps moved by one position at stride 32 along the width."""
    return [feature.roll(side, dims=3) for feature, side in zip(features, WINDOWS, strict=True)]


def without(part):
    """Let a part of a mixer contribute nothing."""
    for parameter in part.parameters():
        nn.init.zeros_(parameter)


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize(("height", "width", "batch"), [(1, 1, 1), (1, 3, 2), (5, 2, 1)])
def test_maps_keep_their_shapes(mixer, height, width, batch):
    features = pyramid(height, width, batch)
    mixed = mixer(DIM)(features)
    assert [feature.shape for feature in mixed] == [feature.shape for feature in features]


@pytest.mark.parametrize("mixer", MIXERS)
def test_every_scale_and_place_hears_of_every_other(mixer):
    features = pyramid(2, 3)
    for scale, (row, column) in enumerate([(0, 0), (7, 11), (3, 0), (1, 2)]):
        assert all(mask.all() for mask in changed_places(mixer(DIM), features, scale, row, column))


@pytest.mark.parametrize("mixer", [GroupedScaleMixer, PooledScaleMixer])
def test_heads_that_do_not_divide_the_token_are_refused(mixer):
    with pytest.raises(ValueError, match="embed_dim must be divisible by num_heads, got 16 and 3"):
        mixer(DIM, num_heads=3)


def test_self_attention_scales_its_scores_by_the_root_of_the_head_size():
    module = SelfAttention(DIM, 2)
    tokens = torch.randn(3, 7, DIM)
    weights, biases = module.query_key_value.weight, module.query_key_value.bias
    query, key, value = (F.layer_norm(tokens, (DIM,)) @ weights.T + biases).split(DIM, dim=2)
    heads = []
    for head in (slice(0, 8), slice(8, 16)):
        scores = query[..., head] @ key[..., head].transpose(1, 2) / math.sqrt(8)
        heads.append(scores.softmax(dim=-1) @ value[..., head])
    torch.testing.assert_close(module(tokens), tokens + module.project(torch.cat(heads, dim=2)))


@pytest.mark.parametrize(("scale", "row", "column"), [(0, 9, 17), (1, 6, 8), (2, 3, 4), (3, 1, 2)])
def test_a_group_is_one_place_at_four_scales(scale, row, column):
    mixer = GroupedScaleMixer(DIM, num_layers=1)
    without(mixer.layers[0].across_groups.project)
    changed = changed_places(mixer, pyramid(3, 4), scale, row, column)
    for mask, side in zip(changed, WINDOWS, strict=True):
        group = torch.zeros_like(mask)
        group[side : 2 * side, 2 * side : 3 * side] = True  # the place in row 1, column 2
        assert torch.equal(mask, group)


def test_fine_tokens_hear_of_far_places_from_the_second_layer_on():
    features = pyramid(1, 3)
    first = changed_places(GroupedScaleMixer(DIM, num_layers=1), features, 0, 0, 0)
    assert [bool(mask[:, -1].any()) for mask in first] == [False, False, True, True]


def test_moving_the_image_by_whole_groups_moves_the_output():
    mixer, features = GroupedScaleMixer(DIM), pyramid(2, 3)
    for one, two in zip(mixer(rolled(features)), rolled(mixer(features)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_pooled_messages_are_the_same_for_a_whole_window():
    features = pyramid(2, 3)
    for mixed, feature, side in zip(PooledScaleMixer(DIM)(features), features, WINDOWS, strict=True):
        message = mixed - feature
        torch.testing.assert_close(message, F.interpolate(message[:, :, ::side, ::side], scale_factor=side))


def test_pooled_tokens_see_the_mean_of_a_window():
    features = pyramid(2, 3)
    means = [F.interpolate(F.avg_pool2d(f, side), scale_factor=side) for f, side in zip(features, WINDOWS, strict=True)]
    mixer = PooledScaleMixer(DIM)
    for mixed, feature, flat, mean in zip(mixer(features), features, mixer(means), means, strict=True):
        torch.testing.assert_close(mixed - feature, flat - mean, rtol=1e-4, atol=1e-5)


def test_more_steps_describe_the_tokens_better():
    features = [feature.abs() for feature in pyramid(2, 3)]
    errors = []
    for num_steps in (1, 3, 9, 27):
        mixer = FactorizedScaleMixer(DIM, rank=8, num_steps=num_steps)
        for linear in (mixer.enter, mixer.leave):
            nn.init.eye_(linear.weight)
            nn.init.zeros_(linear.bias)
        described = [mixed - feature for mixed, feature in zip(mixer(features), features, strict=True)]
        errors.append(sum((one - two).detach().square().sum() for one, two in zip(described, features, strict=True)))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.8 * errors[0]


def test_factorizing_keeps_its_first_bases():
    mixer = FactorizedScaleMixer(DIM).train()
    before = mixer.bases.clone()
    mixer(pyramid())[0].sum().backward()
    assert torch.equal(mixer.bases, before)
    assert torch.equal(FactorizedScaleMixer(DIM).bases, before)


@pytest.mark.parametrize("training", [True, False])
def test_attention_is_trained_in_float32_on_a_cpu(monkeypatch, training):
    dtypes = []

    def attend(query, key, value):
        dtypes.append((query.dtype, torch.is_autocast_enabled("cpu")))
        return value

    monkeypatch.setattr(F, "scaled_dot_product_attention", attend)
    attention = SelfAttention(DIM, 4).train(training)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        attention(torch.randn(1, 5, DIM))
    assert dtypes == [(torch.float32, False) if training else (torch.bfloat16, True)]
