# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.networks.layers import DropPath

from lsms_monai.networks import VisionLanguageBlock, VisionLanguageEncoder

WORDS = torch.linspace(-1, 1, 2 * 3 * 5).reshape(2, 3, 5).sin(), torch.ones(2, 3, dtype=torch.int64)


def encoder(stage_channels=(4, 6, 8, 10), depths=(1, 2, 1, 1), **settings):
    return VisionLanguageEncoder(1, 5, stage_channels=stage_channels, depths=depths, **settings).eval()


@pytest.mark.parametrize("stage_channels", [(4, 6, 8, 10), (8, 2, 4, 6)])
@pytest.mark.parametrize("batch", [1, 2])
def test_features_have_the_published_widths_and_strides(stage_channels, batch):
    network = encoder(stage_channels)
    features = network(torch.rand(batch, 1, 32, 96), WORDS[0][:batch], WORDS[1][:batch])
    assert network.out_channels == stage_channels
    assert [tuple(feature.shape) for feature in features] == [
        (batch, channels, 32 // stride, 96 // stride)
        for channels, stride in zip(stage_channels, network.strides, strict=True)
    ]


@pytest.mark.parametrize("text_stages", [(4,), (0, -1)])
def test_a_text_stage_that_does_not_exist_is_refused(text_stages):
    with pytest.raises(ValueError, match=r"text_stages must be among 0\.\.3, got \("):
        encoder(text_stages=text_stages)


@pytest.mark.parametrize("sizes", [{"depths": (1, 1, 1)}, {"mlp_ratios": (4,)}, {"stage_channels": (8, 8, 8, 8, 8)}])
def test_stage_sequences_of_different_length_are_refused(sizes):
    with pytest.raises(ValueError, match="stage_channels, depths and mlp_ratios must have 4 entries each, got"):
        encoder(**sizes)


def test_words_enter_every_block_of_the_text_stages_and_no_other():
    network = encoder(text_stages=(1, 3))
    has_words = [[block.attention.language is not None for block in stage] for stage in network.stages]
    assert has_words == [[False], [True, True], [False], [True]]


@pytest.mark.parametrize(("text_stages", "first"), [((0, 1, 2, 3), 0), ((2, 3), 2), ((3,), 3), ((), 4)])
def test_stages_before_the_first_words_are_computed_once_for_one_image(text_stages, first):
    features = encoder(text_stages=text_stages)(torch.rand(1, 1, 32, 32), *WORDS)
    assert [len(feature) for feature in features] == [1] * first + [2] * (4 - first)


def test_without_text_stages_no_word_is_heard():
    network = encoder(text_stages=())
    image = torch.rand(1, 1, 32, 32)
    for one, other in zip(network(image, *WORDS), network(image, -WORDS[0], WORDS[1]), strict=True):
        assert torch.equal(one, other)


def test_a_closed_gate_keeps_the_words_out_of_all_stages():
    network = encoder(zero_init_gate=True)
    image = torch.rand(1, 1, 64, 32)
    for feature in network(image, *WORDS):
        assert torch.equal(feature[0], feature[1])


def test_drop_path_grows_linearly_over_the_blocks():
    network = encoder(depths=(1, 2, 1, 1), drop_path_rate=0.4)
    rates = [module.drop_prob for module in network.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_a_block_adds_two_scaled_branches():
    block = VisionLanguageBlock(4, 5, mlp_ratio=2).eval()
    feature = torch.randn(2, 4, 5, 7)
    normed = feature / (1 + 1e-5) ** 0.5  # batch norm before any training
    gated = block.project_out(block.attention(block.project_in(normed), *WORDS))
    between = feature + 0.1 * (gated + normed)
    expected = between + 0.1 * block.feed_forward(between / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(block(feature, *WORDS), expected)


def test_a_dropped_block_is_the_identity():
    block = VisionLanguageBlock(4, 5, mlp_ratio=2, drop_path_rate=1.0).train()
    feature = torch.randn(2, 4, 5, 7)
    assert torch.equal(block(feature, *WORDS), feature)


def test_narrow_maps_are_finite_in_bfloat16_whatever_the_memory_held():
    network, image = encoder((16, 32, 64, 96)), torch.rand(2, 1, 128, 32)
    expected = network(image, *WORDS)[-1]
    for _ in range(10):
        garbage = [torch.full((2**power,), float("nan")) for power in range(8, 20)]
        del garbage
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarsest = network(image, *WORDS)[-1]
        assert (coarsest.float() - expected).norm() < 0.15 * expected.norm()
