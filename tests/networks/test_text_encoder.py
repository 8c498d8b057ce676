# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch
from transformers import AutoConfig, BertConfig, BertModel

from lsms_monai.networks import TextEncoder
from lsms_monai.networks.text_encoder import PACKAGED_TEXT_ENCODER


@pytest.fixture(scope="module")
def saved(bert, tmp_path_factory):
    """A BERT with its weights in a directory."""
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("bert")
    model = BertModel(BertConfig(**bert)).eval()
    model.save_pretrained(directory)
    return model, directory


def test_word_features_are_those_of_the_transformers_model(saved, expressions):
    model, directory = saved
    encoder = TextEncoder(directory).eval()
    for ids, mask in zip(*expressions, strict=True):
        words = ids[mask == 1][None]  # no padding at all
        expected = model(words).last_hidden_state[0]
        actual = encoder(ids[None], mask[None])[0]
        torch.testing.assert_close(actual[: words.shape[1]], expected, rtol=1e-4, atol=1e-5)
        assert not actual[words.shape[1] :].any()


def test_half_precision_weights_are_read_as_float32(saved, tmp_path):
    saved[0].half().save_pretrained(tmp_path)
    saved[0].float()
    assert {parameter.dtype for parameter in TextEncoder(tmp_path).parameters()} == {torch.float32}


def test_a_directory_without_weights_gives_random_ones(bert, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **bert}))
    encoder = TextEncoder(str(tmp_path))
    assert (encoder.text_dim, encoder.vocab_size) == (32, 199)
    assert not torch.equal(*(TextEncoder(tmp_path).model.embeddings.word_embeddings.weight for _ in range(2)))


def test_a_bare_config_gives_the_model_it_describes(bert):
    encoder = TextEncoder({**bert, "hidden_size": 48, "num_hidden_layers": 1})
    assert encoder.text_dim == 48
    assert len(encoder.model.encoder.layer) == 1


def test_the_default_is_the_packaged_config_of_six_layers():
    config = AutoConfig.from_pretrained(PACKAGED_TEXT_ENCODER)
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (6, 384, 30522)


def test_no_pooler_is_kept_that_nobody_reads(bert):
    assert not [name for name, _ in TextEncoder(bert).named_parameters() if "pooler" in name]


@pytest.mark.parametrize("source", ["no-such-model", "/no/such/directory"])
def test_a_source_that_is_nowhere_is_refused(source):
    match = f"text encoder must be a directory with config.json or a model name that the hub knows, got '{source}'"
    with pytest.raises(ValueError, match=match):
        TextEncoder(source)


@pytest.mark.parametrize("config", [None, "{}", "no json"])
def test_a_directory_without_a_readable_config_is_refused(tmp_path, config):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match=f"text encoder must be a directory with config.json .* got '{tmp_path}'"):
        TextEncoder(tmp_path)


@pytest.mark.parametrize("count", [-1, 3])
def test_layers_that_do_not_exist_cannot_be_trained(bert, count):
    with pytest.raises(ValueError, match=rf"trainable_layers must lie in 0\.\.2, got {count}"):
        TextEncoder(bert, trainable_layers=count)


@pytest.mark.parametrize(("trainable_layers", "trained"), [(0, []), (1, ["layer.1."]), (2, ["layer.0.", "layer.1."])])
def test_only_the_last_layers_are_trained(bert, trainable_layers, trained):
    encoder = TextEncoder(bert, trainable_layers=trainable_layers)
    for name, parameter in encoder.named_parameters():
        assert parameter.requires_grad == any(layer in name for layer in trained), name


def test_everything_is_trained_by_default(bert):
    assert all(parameter.requires_grad for parameter in TextEncoder(bert).parameters())


def test_a_frozen_encoder_is_deterministic_in_training_and_keeps_no_graph(bert, expressions):
    encoder = TextEncoder(bert, trainable_layers=0)
    network = torch.nn.ModuleList([encoder]).train()
    assert not any(module.training for module in encoder.modules())
    once = encoder(*expressions)
    assert torch.equal(once, encoder(*expressions))
    assert not once.requires_grad
    assert network.training


def test_a_trained_encoder_has_its_dropout_in_training(bert, expressions):
    encoder = TextEncoder(bert, trainable_layers=1).train()
    assert not torch.equal(encoder(*expressions), encoder(*expressions))


def test_without_gradients_asked_for_none_are_kept(bert, expressions):
    with torch.no_grad():
        assert not TextEncoder(bert)(*expressions).requires_grad
