# SPDX-License-Identifier: Apache-2.0
"""The network in ONNX Runtime or OpenVINO, in the place of the one in PyTorch."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TEXT_ENCODER_FILE, SEGMENTOR_FILE = "text_encoder.onnx", "segmentor.onnx"
WEIGHTS_KEY = "weights_sha256"
Run = Callable[..., np.ndarray]  # arrays in the order of the file's inputs -> its output


class OnnxNetwork(nn.Module):
    """Answer as an ``LSMS`` in evaluation does, by the two files of `lsms export onnx-split`, on the CPU.

    Args:
        folder: with `text_encoder.onnx`, `segmentor.onnx` and the `model.pt` that they were made from.
        engine: "onnx" for ONNX Runtime in float32, or "openvino", in bfloat16 where the CPU multiplies that.

    Raises:
        ImportError: if the engine is not installed.
        FileNotFoundError: if one of the files is missing.
        ValueError: if one was made from other weights.
    """

    def __init__(self, folder: Path, engine: str = "onnx") -> None:
        super().__init__()
        expected = weights_hash(folder / "model.pt")
        self.parts: dict[str, Run] = {}
        for name in (TEXT_ENCODER_FILE, SEGMENTOR_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name} does not exist; make it: lsms export onnx-split")
            self.parts[name], made_from = ENGINES[engine](folder / name)
            if made_from != expected:
                raise ValueError(
                    f"{folder / name} must be made from the weights in {folder / 'model.pt'}, got it from others; "
                    "make it again: lsms export onnx-split"
                )

    def forward(
        self,
        image: Tensor,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        word_features: Tensor | None = None,
    ) -> Tensor:
        """As ``LSMS.forward``, but without a default expression."""
        if attention_mask is None or (input_ids is None and word_features is None):
            raise ValueError("an expression is required: attention_mask with input_ids or word_features, got none")
        if word_features is None:
            word_features = self.encode_text(input_ids, attention_mask)
        batch = max(len(image), len(word_features))
        given = (part.expand(batch, *part.shape[1:]) for part in (image, word_features, attention_mask))
        return self._run(SEGMENTOR_FILE, *given)

    def encode_text(self, input_ids: Tensor | None, attention_mask: Tensor) -> Tensor:
        """As ``LSMS.encode_text``."""
        return self._run(TEXT_ENCODER_FILE, input_ids, attention_mask)

    def _run(self, name: str, *inputs: Tensor | None) -> Tensor:
        return torch.from_numpy(self.parts[name](*(part.cpu().numpy() for part in inputs if part is not None)))


def onnx_session(path: Path) -> Any:
    """Open a file in ONNX Runtime, on the CPU with as many threads as PyTorch has.

    Raises:
        ImportError: if ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("ONNX Runtime is needed, but not installed: pip install 'lsms-monai[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def weights_hash(path: Path) -> str:
    """SHA-256 of a file of weights, which exported files carry as `weights_sha256`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _onnx_runtime(path: Path) -> tuple[Run, str | None]:
    """A function that runs the file, and the hash of the weights that it was made from."""
    session = onnx_session(path)
    names = [part.name for part in session.get_inputs()]
    made_from = session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY)
    return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0], made_from


def _openvino(path: Path) -> tuple[Run, str | None]:
    """As ``_onnx_runtime``."""
    try:
        import openvino
    except ImportError as error:
        raise ImportError("OpenVINO is needed, but not installed: pip install 'lsms-monai[openvino]'") from error
    core, key = openvino.Core(), ["framework", WEIGHTS_KEY]
    model = core.read_model(path)
    made_from = model.get_rt_info(key).astype(str) if model.has_rt_info(key) else None
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = core.compile_model(model, "CPU", options)
    return lambda *arrays: compiled(arrays)[0], made_from


ENGINES: dict[str, Callable[[Path], tuple[Run, str | None]]] = {"onnx": _onnx_runtime, "openvino": _openvino}
