# SPDX-License-Identifier: Apache-2.0
import io

import pytest
import torch
from torch.nn import functional as F

from lsms_monai.networks import LSMS
from lsms_monai.networks.lsms import VARIANTS


@pytest.fixture(scope="module")
def network(make_lsms):
    return make_lsms()


@pytest.mark.parametrize("size", [(1, 1), (32, 64), (33, 31), (37, 61), (96, 5)])
def test_any_image_size_gives_logits_of_that_size(network, expressions, size):
    logits = network(torch.rand(2, 1, *size), *expressions)
    assert logits.shape == (2, 1, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("in_channels", [3, 5])
def test_several_channels_go_in_and_one_comes_out(make_lsms, expressions, in_channels):
    assert make_lsms(in_channels=in_channels)(torch.rand(2, in_channels, 32, 64), *expressions).shape == (2, 1, 32, 64)


def test_padding_inside_is_padding_by_the_caller(network, expressions):
    image = torch.rand(2, 1, 37, 61)
    padded = network(F.pad(image, (0, 3, 0, 27)), *expressions)
    torch.testing.assert_close(network(image, *expressions), padded[:, :, :37, :61])


def test_every_logit_is_a_sub_pixel_of_the_finest_map(network):
    fused = torch.randn(1, 16, 2, 3)
    channels = F.conv2d(fused, network.head[0].weight, network.head[0].bias)
    logits = network.head(fused)
    assert logits.shape == (1, 2, 8, 12)
    for kind, row, column in [(0, 0, 0), (1, 5, 2), (0, 7, 11), (1, 3, 6)]:
        channel = 16 * kind + 4 * (row % 4) + column % 4
        assert logits[0, kind, row, column] == channels[0, channel, row // 4, column // 4]


def test_nothing_is_marked_outside_of_the_organ(make_lsms, expressions):
    network, image = make_lsms(), torch.rand(2, 1, 37, 61)
    _, logits = network.segment(image, network.encode_text(*expressions), expressions[1])
    torch.nn.init.constant_(network.organ[0].bias, 100.0)
    _, free = network.segment(image, network.encode_text(*expressions), expressions[1])
    torch.nn.init.constant_(network.organ[0].bias, -9.0)
    _, closed = network.segment(image, network.encode_text(*expressions), expressions[1])
    assert logits.shape == (2, 3, 37, 61)
    assert torch.equal(logits[:, :2], torch.minimum(free[:, :2], logits[:, 2:]))
    assert (closed[:, :2] < -7).all()


def test_trained_weights_gain_the_organ_without_a_jump(make_lsms, expressions):
    plain, within = make_lsms(within_organ=False), make_lsms()
    assert not within.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    image = torch.rand(2, 1, 37, 61)
    assert torch.equal(within(image, *expressions), plain(image, *expressions))


def test_one_image_and_several_expressions_equal_several_images(network, expressions):
    image = torch.rand(1, 1, 37, 61)
    logits = network(image, *expressions)
    torch.testing.assert_close(logits, network(image.repeat(2, 1, 1, 1), *expressions))
    assert (logits[0] - logits[1]).abs().max() > 1e-4


def test_late_words_leave_the_first_stages_to_be_computed_once(make_lsms, expressions):
    network, batches = make_lsms(text_stages=(2, 3)), []
    for stage in network.encoder.stages:
        stage[0].register_forward_hook(lambda module, inputs, output: batches.append(len(inputs[0])))
    network(torch.rand(1, 1, 32, 64), *expressions)
    assert batches == [1, 1, 1, 2]


def test_no_text_asks_for_the_default_expression(network):
    image = torch.rand(2, 1, 32, 64)
    default = torch.tensor([[1, 5, 2]])
    torch.testing.assert_close(network(image), network(image, default, torch.ones_like(default)))
    assert (network(image) - network(image, torch.tensor([[1, 60, 2]]))).abs().max() > 1e-4


def test_a_mask_without_ids_asks_for_the_default_expression_too(network):
    image = torch.rand(1, 1, 32, 64)
    assert torch.equal(network(image, None, torch.zeros(1, 9, dtype=torch.int64)), network(image))


def test_ids_without_a_mask_are_all_words(network, expressions):
    image, ids = torch.rand(2, 1, 32, 64), expressions[0]
    torch.testing.assert_close(network(image, ids), network(image, ids, torch.ones_like(ids)))


def test_words_that_were_read_before_need_no_ids(network, expressions):
    image = torch.rand(2, 1, 32, 64)
    words = network.encode_text(*expressions)
    assert torch.equal(network(image, attention_mask=expressions[1], word_features=words), network(image, *expressions))


def test_the_default_expression_is_not_in_the_state_dict(network):
    assert "default_input_ids" in dict(network.named_buffers())
    assert not [key for key in network.state_dict() if "default" in key]


def test_the_default_expression_is_liver_lesion_in_the_packaged_vocabulary():
    from lsms_monai.networks.lsms import DEFAULT_INPUT_IDS
    from lsms_monai.networks.text_encoder import PACKAGED_TEXT_ENCODER

    words = (PACKAGED_TEXT_ENCODER / "vocab.txt").read_text().splitlines()
    assert [words[index] for index in DEFAULT_INPUT_IDS] == ["[CLS]", "liver", "les", "##ion", "[SEP]"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mixer": "mean"}, "mixer must be one of"),
        ({"language_norm": "batch"}, "norm must be one of"),
        ({"text_stages": (4,)}, r"text_stages must be among 0\.\.3"),
        ({"trainable_text_layers": 7}, r"trainable_layers must lie in 0\.\.2"),
        ({"default_input_ids": (1, 199)}, r"default_input_ids must lie below .* vocabulary size 199, got \(1, 199\)"),
    ],
)
def test_settings_that_do_not_exist_are_refused(make_lsms, settings, message):
    with pytest.raises(ValueError, match=message):
        make_lsms(**settings)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match=r"variant must be one of \['base', 'large', 'small', 'tiny'\], got 'huge'"):
        LSMS("huge")


def test_the_variants_are_those_of_mscan():
    widths = {name: sizes["stage_channels"] for name, sizes in VARIANTS.items()}
    assert widths == {"tiny": (32, 64, 160, 256)} | dict.fromkeys(("small", "base", "large"), (64, 128, 320, 512))
    depths = [VARIANTS[name]["depths"] for name in ("tiny", "small", "base", "large")]
    assert depths == [(3, 3, 5, 2), (2, 2, 4, 2), (3, 3, 12, 3), (3, 5, 27, 3)]


def test_training_returns_what_the_losses_compare(make_lsms, expressions):
    output = make_lsms(alignment_channels=6).train()(torch.rand(2, 1, 37, 61), *expressions)
    assert {key: tuple(value.shape) for key, value in output.items()} == {
        "logits": (2, 1, 37, 61),
        "lesion_logits": (2, 1, 37, 61),
        "organ_logits": (2, 1, 37, 61),
        "pixel_embedding": (2, 6, 16, 16),
        "sentence_embedding": (2, 6),
        "input_ids": (2, 5),
        "attention_mask": (2, 5),
    }


def test_training_broadcasts_like_evaluation(make_lsms, expressions):
    network = make_lsms().train()
    several_expressions = network(torch.rand(1, 1, 64, 64), *expressions)
    several_images = network(torch.rand(2, 1, 64, 64))
    for output in (several_expressions, several_images):
        assert {len(value) for value in output.values()} == {2}


def test_the_sentence_is_the_mean_of_its_words(make_lsms, expressions):
    network = make_lsms(trainable_text_layers=0).train()  # no dropout in the words
    output = network(torch.rand(2, 1, 64, 64), *expressions)
    for ids, mask, sentence in zip(*expressions, output["sentence_embedding"], strict=True):
        words = network.text_encoder(ids[None], mask[None])[0, mask == 1]
        torch.testing.assert_close(sentence, network.align_sentence(words.mean(dim=0)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mixer", ["grouped", "pooled", "factorized"])
def test_the_memory_format_does_not_matter(make_lsms, expressions, mixer):
    network, image = make_lsms(mixer=mixer), torch.rand(2, 1, 37, 61)
    expected = network(image, *expressions)
    last = network.to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last), *expressions)
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)


def test_nothing_changes_while_evaluating(make_lsms, expressions):
    network = make_lsms()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.rand(2, 1, 32, 64), *expressions)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("mixer", ["grouped", "pooled", "factorized"])
def test_one_trace_serves_any_image_batch_and_expression(make_lsms, expressions, mixer):
    network, file = make_lsms(mixer=mixer), io.BytesIO()
    example = (torch.rand(1, 1, 32, 64), torch.tensor([[1, 9, 2]]), torch.ones(1, 3, dtype=torch.int64))
    torch.jit.save(torch.jit.trace(network, example, check_trace=False), file)
    file.seek(0)
    traced, image = torch.jit.load(file), torch.rand(2, 1, 37, 61)
    torch.testing.assert_close(traced(image, *expressions), network(image, *expressions))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_network_traced_on_one_tensor_asks_for_the_default_expression(network):
    traced = torch.jit.trace(network, torch.rand(1, 1, 32, 64), check_trace=False)
    image = torch.rand(2, 1, 37, 61)
    torch.testing.assert_close(traced(image), network(image))


@pytest.mark.slow
def test_an_exported_network_reads_the_words(network, expressions):
    image = torch.rand(2, 1, 37, 61)
    exported = torch.export.export(network, (image, *expressions)).module()
    other = [tensor.flip(0) for tensor in expressions]
    torch.testing.assert_close(exported(1 - image, *other), network(1 - image, *other))


def test_recomputing_keeps_less_and_learns_the_same(make_lsms, expressions):
    learned, kept = [], []
    for use_checkpoint in (False, True):
        network = make_lsms(use_checkpoint=use_checkpoint).train()
        for dropout in network.modules():
            if isinstance(dropout, torch.nn.Dropout):
                dropout.p = 0.0
        saved = []
        torch.manual_seed(5)
        image = torch.rand(2, 1, 64, 64)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):  # noqa: B023
            output = network(image, *expressions)
        (output["logits"].sum() + output["lesion_logits"].square().sum()).backward()
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        learned.append(gradients | dict(network.named_buffers()))
        kept.append(sum(saved))
    assert kept[1] < 0.7 * kept[0]
    assert learned[0].keys() == learned[1].keys()
    for name, value in learned[0].items():
        torch.testing.assert_close(learned[1][name], value, msg=name)
