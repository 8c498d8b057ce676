# SPDX-License-Identifier: Apache-2.0
"""Exported files answer as PyTorch does, for any batch, size and number of words, or are not kept."""

import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from lsms_monai.exports import export_onnx, export_pt2, export_split_onnx, write_bank
from lsms_monai.inferers import multiplies_bfloat16
from lsms_monai.networks import LSMS
from lsms_monai.onnx_network import ENGINES, WEIGHTS_KEY, OnnxNetwork, weights_hash

pytestmark = pytest.mark.slow


def sample(batch, height, width, num_tokens):
    ids = torch.randint(3, 99, (batch, num_tokens + 2))[:, :num_tokens]  # as the command cuts them
    mask = torch.ones_like(ids)
    mask[-1, -1:] = 0
    return torch.rand(batch, 1, height, width), ids, mask


@pytest.fixture(scope="module")
def network(bert):
    torch.manual_seed(0)
    return LSMS(text_encoder=bert, default_input_ids=(1, 2)).eval()


@pytest.fixture(scope="module")
def models(network, tmp_path_factory):
    """A folder with weights, and the two files made from them."""
    folder = tmp_path_factory.mktemp("models")
    torch.save(network.state_dict(), folder / "model.pt")
    about = {WEIGHTS_KEY: weights_hash(folder / "model.pt")}
    found = export_split_onnx(network, [sample(2, 64, 96, 7), sample(3, 37, 61, 5)], folder, about)
    assert max(found.values()) < 1e-4
    assert not list(folder.glob("*partial*"))
    return folder


def test_one_file_takes_image_and_words_of_any_size(network, tmp_path):
    ((path, difference),) = export_onnx(
        network, [sample(2, 64, 96, 7), sample(1, 37, 61, 11)], tmp_path, {"a": "b"}
    ).items()
    assert difference < 1e-4
    model = onnx.load(path)
    assert [part.name for part in model.graph.input] == ["image", "input_ids", "attention_mask"]
    assert {part.key: part.value for part in model.metadata_props} == {"a": "b"}


@torch.inference_mode()
def test_the_exported_program_takes_any_batch_words_and_multiples_of_32(network, tmp_path):
    ((path, difference),) = export_pt2(
        network, [sample(2, 96, 127, 7), sample(1, 37, 61, 5)], tmp_path, {"a": "b"}
    ).items()
    assert difference < 1e-4
    assert list(tmp_path.iterdir()) == [path]
    files = {"a": ""}
    program = torch.export.load(path, extra_files=files).module()
    assert files == {"a": "b"}
    for asked in (sample(3, 64, 160, 11), sample(1, 96, 64, 2)):
        torch.testing.assert_close(program(*asked), network(*asked), rtol=1e-4, atol=1e-4)
    with pytest.raises(AssertionError, match="Guard failed"):
        program(*sample(1, 65, 64, 3))


def test_exporting_leaves_the_network_as_it_was(network, models):
    state = torch.load(models / "model.pt", weights_only=True)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("images", "texts"), [(1, 1), (3, 1), (1, 3), (2, 2)])
@torch.inference_mode()
def test_the_network_in_another_engine_answers_as_the_one_in_pytorch(network, models, images, texts, engine):
    image, (_, ids, mask) = torch.rand(images, 1, 45, 70), sample(texts, 1, 1, 6)
    expected = network(image, ids, mask)
    # OpenVINO computes in bfloat16 where the CPU does
    tolerance = 0.05 * float(expected.std()) if engine == "openvino" and multiplies_bfloat16() else 1e-4
    other = OnnxNetwork(models, engine)
    torch.testing.assert_close(other(image, ids, mask), expected, rtol=1e-4, atol=tolerance)
    words = other.encode_text(ids, mask)
    answered = other(image, attention_mask=mask, word_features=words)
    torch.testing.assert_close(answered, expected, rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize(
    ("engine", "module", "message"),
    [
        ("onnx", "onnxruntime", r"ONNX Runtime is needed, but not installed: pip install 'lsms-monai\[export\]'"),
        ("openvino", "openvino", r"OpenVINO is needed, but not installed: pip install 'lsms-monai\[openvino\]'"),
    ],
)
def test_an_engine_that_is_missing_is_named(models, monkeypatch, engine, module, message):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=message):
        OnnxNetwork(models, engine)


@torch.inference_mode()
def test_a_client_with_kept_words_needs_the_segmentor_alone(network, models):
    import onnxruntime

    image, ids, mask = sample(2, 64, 32, 9)
    bank = np.load(write_bank(models, ["one", "two"], list(zip(ids, mask, strict=True))))
    assert bank["expressions"].tolist() == ["one", "two"]
    session = onnxruntime.InferenceSession(models / "segmentor.onnx")
    given = {"image": image.numpy(), **{key: bank[key] for key in ("word_features", "attention_mask")}}
    torch.testing.assert_close(
        torch.from_numpy(session.run(None, given)[0]), network(image, ids, mask), rtol=1e-4, atol=1e-4
    )


def test_a_file_that_disagrees_is_not_kept(bert, tmp_path):
    class Fickle(nn.Module):
        def forward(self, image, input_ids, attention_mask):
            return torch.rand_like(image) + input_ids.sum() + attention_mask.sum()

    with pytest.raises(ValueError, match=r"model\.onnx must agree with PyTorch within 0\.001, got a difference of"):
        export_onnx(Fickle(), [sample(2, 64, 96, 7)], tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_a_file_that_gives_nan_for_any_sample_is_not_kept(tmp_path):
    class Fragile(nn.Module):
        def forward(self, image, input_ids, attention_mask):
            kept = image if torch.onnx.is_in_onnx_export() else image.clamp(min=0)
            return kept.sqrt() + input_ids.sum() + attention_mask.sum()

    first, (image, *words) = sample(2, 64, 96, 7), sample(2, 64, 96, 7)
    with pytest.raises(ValueError, match=r"must agree with PyTorch within 0\.001, got a difference of nan"):
        export_onnx(Fragile(), [first, (-image, *words)], tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_files_of_other_weights_are_refused(models, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match=r"text_encoder\.onnx does not exist; make it: lsms export onnx-split"):
        OnnxNetwork(tmp_path)
    for name in ("text_encoder.onnx", "segmentor.onnx"):
        (tmp_path / name).write_bytes((models / name).read_bytes())
    for engine in ENGINES:
        with pytest.raises(ValueError, match=r"must be made from the weights in .*model\.pt, got it from others; make"):
            OnnxNetwork(tmp_path, engine)


def test_without_an_expression_nothing_is_answered(models):
    with pytest.raises(ValueError, match="an expression is required: attention_mask with input_ids or word_features"):
        OnnxNetwork(models)(torch.rand(1, 1, 32, 32))
