# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional as F

from lsms_monai.networks import ScaleAwareVisionLanguageAttention, WordToPixelAttention
from lsms_monai.networks.scale_aware_attention import DepthwiseConv2d

CHANNELS, TEXT_DIM = 6, 5
NORM_AXES = {"none": None, "layer": 1, "instance": (2, 3)}


@pytest.fixture
def feature():
    return torch.randn(2, CHANNELS, 7, 11, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def words():
    """Three words and one padding token, four words."""
    features = torch.randn(2, 4, TEXT_DIM, generator=torch.Generator().manual_seed(1))
    return features, torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])


def conv1x1(conv, feature):
    bias = 0 if conv.bias is None else conv.bias[:, None, None]
    return torch.einsum("oi,bihw->bohw", conv.weight[:, :, 0, 0], feature) + bias


def normalized(feature, norm, axes):
    if axes is None:
        return feature
    variance, mean = torch.var_mean(feature, dim=axes, keepdim=True, correction=0)
    return (feature - mean) / (variance + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]


def randomize(module):
    """No parameter at a value of its initialisation that would hide it."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


@pytest.mark.parametrize(("norm", "axes"), NORM_AXES.items())
def test_word_to_pixel_attention_is_scaled_dot_product_attention_and_a_gate(feature, words, norm, axes):
    module = randomize(WordToPixelAttention(CHANNELS, TEXT_DIM, norm=norm))
    word_features, mask = words
    query = normalized(conv1x1(module.query[0], feature), module.query[1], axes).flatten(2).transpose(1, 2)
    key, value = word_features @ module.key.weight.T, word_features @ module.value.weight.T + module.value.bias
    heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, :].bool())
    heard = heard.transpose(1, 2).reshape(2, CHANNELS, 7, 11)
    message = normalized(conv1x1(module.message[0], heard), module.message[1], axes)
    gate = conv1x1(module.gate[2], conv1x1(module.gate[0], message).clamp(min=0)).tanh()
    torch.testing.assert_close(module(feature, *words), gate * message, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("norm", "is_deleted"), [("instance", True), ("layer", False), ("none", False)])
def test_only_instance_norm_deletes_what_the_words_say_to_all_pixels_alike(feature, words, norm, is_deleted):
    module = WordToPixelAttention(CHANNELS, TEXT_DIM, norm=norm)
    torch.nn.init.zeros_(module.key.weight)  # every pixel hears every word equally
    message = module(feature, *words)
    torch.testing.assert_close(message, message[:, :, :1, :1].expand_as(message), rtol=1e-3, atol=1e-4)
    assert (message.abs().max() < 1e-4) == is_deleted


def test_the_default_norm_is_not_the_one_that_deletes():
    assert isinstance(WordToPixelAttention(CHANNELS, TEXT_DIM).message[1], torch.nn.LayerNorm)


@pytest.mark.parametrize("module", [WordToPixelAttention, ScaleAwareVisionLanguageAttention])
def test_an_unknown_norm_is_refused(module):
    setting = "norm" if module is WordToPixelAttention else "language_norm"
    with pytest.raises(ValueError, match=r"norm must be one of \['instance', 'layer', 'none'\], got 'batch'"):
        module(CHANNELS, TEXT_DIM, **{setting: "batch"})


def test_a_strip_pair_is_one_separable_kernel(feature):
    for row, column in ScaleAwareVisionLanguageAttention(CHANNELS, None).strips:
        torch.nn.init.zeros_(row.bias)  # zero padding between the two would make it differ at the border
        kernel = column.weight @ row.weight  # (C, 1, k, 1) x (C, 1, 1, k) -> (C, 1, k, k)
        size = kernel.shape[-1]
        assert kernel.shape == (CHANNELS, 1, size, size)
        whole = F.conv2d(feature, kernel, column.bias, padding=size // 2, groups=CHANNELS)
        torch.testing.assert_close(column(row(feature)), whole, rtol=1e-4, atol=1e-5)


def test_the_strips_are_7_11_and_21_long():
    strips = ScaleAwareVisionLanguageAttention(CHANNELS, None).strips
    assert [(row.kernel_size, column.kernel_size) for row, column in strips] == [
        ((1, size), (size, 1)) for size in (7, 11, 21)
    ]


def test_all_branches_read_the_same_map_and_their_sum_gates_the_input(feature, words):
    module = randomize(ScaleAwareVisionLanguageAttention(CHANNELS, TEXT_DIM, kernel_sizes=(3, 5)))
    local = F.conv2d(feature, module.local.weight, module.local.bias, padding=2, groups=CHANNELS)
    branches = [local, *(strip(local) for strip in module.strips), module.language(local, *words)]
    expected = conv1x1(module.project, torch.stack(branches).sum(dim=0)) * feature
    assert len(branches) == 4
    torch.testing.assert_close(module(feature, *words), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [(7, 8), (2,)])
def test_an_even_kernel_is_refused(sizes):
    with pytest.raises(ValueError, match=r"kernel_sizes must be odd, got \("):
        ScaleAwareVisionLanguageAttention(CHANNELS, TEXT_DIM, kernel_sizes=sizes)


def test_a_closed_gate_leaves_the_image_features_as_without_words(feature, words):
    closed = ScaleAwareVisionLanguageAttention(CHANNELS, TEXT_DIM, zero_init_gate=True)
    wordless = ScaleAwareVisionLanguageAttention(CHANNELS, None)
    wordless.load_state_dict({key: value for key, value in closed.state_dict().items() if "language" not in key})
    assert torch.equal(closed(feature, *words), wordless(feature, *words))


def test_a_closed_gate_opens_with_the_first_step(feature, words):
    module = ScaleAwareVisionLanguageAttention(CHANNELS, TEXT_DIM, zero_init_gate=True)
    closed = module(feature, *words)
    closed.square().sum().backward()
    idle = {name for name, parameter in module.named_parameters() if not parameter.grad.any()}
    assert idle == {f"language.{name}" for name, _ in module.language.named_parameters()} - {"language.gate_scale"}
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    module.zero_grad()
    module(feature, *words).square().sum().backward()
    assert all(parameter.grad.any() for parameter in module.parameters())


@pytest.mark.parametrize("kernel_size", [(5, 5), (1, 7), (7, 1)])
def test_depthwise_convolution_keeps_the_size_and_channels_apart(feature, kernel_size):
    conv = DepthwiseConv2d(CHANNELS, kernel_size)
    expected = [
        F.conv2d(feature[:, i : i + 1], conv.weight[i : i + 1], conv.bias[i : i + 1], padding="same")
        for i in range(CHANNELS)
    ]
    torch.testing.assert_close(conv(feature), torch.cat(expected, dim=1))


@pytest.mark.parametrize(("training", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_depthwise_convolution_is_trained_in_float32_on_a_cpu(feature, training, dtype):
    conv = DepthwiseConv2d(CHANNELS, (1, 7)).train(training)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = conv(feature.bfloat16())
    assert result.dtype == dtype
    exact = conv(feature.bfloat16().float())
    assert torch.equal(result, exact) == training
    torch.testing.assert_close(result.float(), exact, rtol=0.02, atol=0.02)
