# SPDX-License-Identifier: Apache-2.0
"""`inference_trt.json` up to TensorRT itself, which needs a GPU: what MONAI would hand over, run in ONNX Runtime."""

import fnmatch
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import onnx
import pytest
import torch
from monai.bundle import ConfigParser
from monai.networks import trt_compiler

from lsms_monai.inferers import ExpressionSliceInferer

CONFIGS = Path(__file__).resolve().parents[2] / "bundle" / "configs"


class OnnxEngine:
    """In the place of MONAI's TRTEngine: the same calls, and each input must lie in the profile."""

    profiles: ClassVar = {}

    def __init__(self, plan_path, logger=None):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(plan_path)
        self.profile = self.profiles[plan_path]
        self.input_names = [part.name for part in self.session.get_inputs()]

    def set_inputs(self, feed, stream):
        self.feed = {name: feed[self.input_table[name]].numpy() for name in self.input_names}
        for name, value in self.feed.items():
            low, _, high = self.profile[name]
            assert all(a <= n <= b for a, n, b in zip(low, value.shape, high, strict=True)), (name, value.shape)

    def allocate_buffers(self, device):
        pass

    def infer(self, stream, use_cuda_graph=False):
        return dict(enumerate(map(torch.from_numpy, self.session.run(None, self.feed))))


def build(compiler, onnx_path):
    """In the place of TensorRT's builder: names and free axes must be those of the profile, as it demands."""
    (OnnxEngine.profiles[compiler.plan_path],) = compiler.profiles
    inputs = {part.name: part.type.tensor_type.shape.dim for part in onnx.load(onnx_path).graph.input}
    assert list(inputs) == list(compiler.profiles[0])
    for name, (low, usual, high) in compiler.profiles[0].items():
        assert all(a <= b <= c for a, b, c in zip(low, usual, high, strict=True))
        fixed = [dim.dim_value for dim in inputs[name]]  # 0 where free
        assert fixed == [a if a == c else 0 for a, c in zip(low, high, strict=True)]
    return Path(onnx_path).read_bytes()


@pytest.fixture
def parser(tmp_path, small_text_encoder):
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / f"{name}.json") for name in ("inference", "inference_trt")])
    parser["network_def"]["text_encoder"] = small_text_encoder
    parser.update({"device": "$torch.device('cpu')", "weights": str(tmp_path / "model.pt")})
    return parser


def words(batch, num_tokens):
    ids = torch.randint(1000, 2000, (batch, num_tokens))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def test_without_tensorrt_the_network_stays_as_it_is_and_a_line_says_so(parser, caplog):
    logging.getLogger("monai.networks.trt_compiler").addHandler(caplog.handler)  # it does not pass its records on
    network = parser.get_parsed_content("network")
    assert network is parser.get_parsed_content("network_def")
    assert not any(hasattr(module, "_trt_compiler") for module in network.modules())
    assert caplog.text.count("trt_compile() has no effect") == 2


def test_nothing_runs_in_float16_which_cannot_hold_the_sums_over_a_slice(parser):
    assert {parser[f"trt_{part}"]["precision"] for part in ("encoder", "decoder")} == {"tf32"}
    assert (parser["evaluator#amp"], parser["bfloat16"]) == (False, False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No names were found:UserWarning", "ignore::DeprecationWarning")
def test_what_goes_to_tensorrt_answers_as_pytorch_for_every_size(parser, monkeypatch, tmp_path):
    expected = ConfigParser(json.loads(json.dumps(parser.get()))).get_parsed_content("network_def").eval()
    torch.save(expected.state_dict(), tmp_path / "model.pt")
    stream = SimpleNamespace(cuda_stream=0, wait_stream=lambda other: None)
    for owner, name, value in (
        (trt_compiler, "trt_imported", True),
        (trt_compiler, "polygraphy_imported", True),
        (trt_compiler, "TRTEngine", OnnxEngine),
        (trt_compiler.TrtCompiler, "_onnx_to_trt", build),
        (torch.cuda, "current_device", lambda: 0),
        (torch.cuda, "current_stream", lambda: stream),
        (torch.cuda, "Stream", lambda device: stream),
    ):
        monkeypatch.setattr(owner, name, value)
    with monkeypatch.context() as only_here:
        only_here.setattr(torch.cuda, "is_available", lambda: True)
        network = parser.get_parsed_content("network").eval()
    network.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    inferer = ExpressionSliceInferer(3, bfloat16=False)
    for shape, asked in (((45, 70, 5), words(1, 6)), ((64, 33, 1), words(4, 9)), ((100, 40, 1), words(1, 3))):
        image = torch.rand(1, 1, *shape)
        with torch.inference_mode():
            torch.testing.assert_close(
                inferer(image, network, **asked), inferer(image, expected, **asked), rtol=1e-4, atol=1e-4
            )
    assert len(fnmatch.filter([path.name for path in tmp_path.iterdir()], "model.pt.??coder.plan")) == 2
