# SPDX-License-Identifier: Apache-2.0
"""The network as files that other programs run; each is checked against PyTorch before it is kept."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional as F

from lsms_monai.keys import ATTENTION_MASK, IMAGE, INPUT_IDS
from lsms_monai.onnx_network import ENGINES, SEGMENTOR_FILE, TEXT_ENCODER_FILE

TOLERANCE = 1e-3  # largest difference of a logit that counts as rounding
WORD_FEATURES, LOGITS = "word_features", "logits"
BANK_FILE, PT2_FILE = "expressions.npz", "model.pt2"
STRIDE = 32  # of the coarsest map
Sample = tuple[Tensor, Tensor, Tensor]
OPSET = 18
_WORDS_AXES = {0: "batch", 1: "tokens"}
_AXES = {IMAGE: {0: "batch", 2: "height", 3: "width"}}


class _TextEncoder(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.network.encode_text(input_ids, attention_mask)


class _Segmentor(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, word_features: Tensor, attention_mask: Tensor) -> Tensor:
        return self.network.segment(image, word_features, attention_mask)[1][:, :1]


def export_onnx(
    network: nn.Module, samples: Sequence[Sample], folder: Path, about: Mapping[str, str]
) -> dict[Path, float]:
    """Write `model.onnx`: image, input_ids, attention_mask -> logits; batch, height, width and words are free.

    Args:
        network: an ``LSMS`` with its weights, in evaluation.
        samples: inputs to check the file with: image (B, C, H, W), input_ids and attention_mask (B, T). The first one
            is the example of the export.
        folder: where to write.
        about: texts that go into the file's metadata, such as its configuration.

    Returns:
        The file, and the largest difference of a logit from PyTorch over all samples.

    Raises:
        ValueError: if a difference is larger than rounding explains.
    """
    with _whole(folder / "model.onnx") as path:
        _write(network, samples[0], (IMAGE, INPUT_IDS, ATTENTION_MASK), LOGITS, path, about)
        difference = _check("model.onnx", _runner(path), network, samples)
    return {folder / "model.onnx": difference}


def export_split_onnx(
    network: nn.Module, samples: Sequence[Sample], folder: Path, about: Mapping[str, str]
) -> dict[Path, float]:
    """Write the network as two files, so that a client may keep the features of words and need no text encoder.

    `text_encoder.onnx`: input_ids, attention_mask -> word_features (B, T, E). `segmentor.onnx`: image, word_features,
    attention_mask -> logits. Arguments and errors as ``export_onnx``.
    """
    encoder, segmentor = _TextEncoder(network), _Segmentor(network)
    words = [sample[1:] for sample in samples]
    with torch.no_grad():
        read = [(image, encoder(ids, mask), mask) for image, ids, mask in samples]
    found = {}
    with _whole(folder / TEXT_ENCODER_FILE) as path:
        _write(encoder, words[0], (INPUT_IDS, ATTENTION_MASK), WORD_FEATURES, path, about)
        found[folder / TEXT_ENCODER_FILE] = _check(TEXT_ENCODER_FILE, _runner(path), encoder, words)
    with _whole(folder / SEGMENTOR_FILE) as path:
        _write(segmentor, read[0], (IMAGE, WORD_FEATURES, ATTENTION_MASK), LOGITS, path, about)
        found[folder / SEGMENTOR_FILE] = _check(SEGMENTOR_FILE, _runner(path), segmentor, read)
    return found


def export_pt2(
    network: nn.Module, samples: Sequence[Sample], folder: Path, about: Mapping[str, str]
) -> dict[Path, float]:
    """Write `model.pt2` for ``torch.export.load``: image, input_ids, attention_mask -> logits.

    Batch (up to 64) and number of words (from 2) are free, height and width are multiples of 32 from 64 to 1,024; the
    samples are padded with 0 to such. `about` becomes its extra files. Arguments and errors as ``export_onnx``.
    """
    padded = [_padded(sample) for sample in samples]
    bert: Any = network.get_submodule("text_encoder.model")
    batch, tokens = Dim("batch", min=1, max=64), Dim("tokens", min=2, max=bert.config.max_position_embeddings)
    height, width = (STRIDE * Dim(name, min=2, max=1024 // STRIDE) for name in ("rows", "columns"))
    words = {0: batch, 1: tokens}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(
            _with_plain_sizes(network), padded[0], dynamic_shapes=({0: batch, 2: height, 3: width}, words, words)
        )
    with _whole(folder / PT2_FILE) as path:
        torch.export.save(exported, path, extra_files=dict(about))
        difference = _check(PT2_FILE, torch.export.load(path).module(), network, padded)
    return {folder / PT2_FILE: difference}


def write_bank(folder: Path, expressions: Sequence[str], words: Sequence[tuple[Tensor, Tensor]]) -> Path:
    """Write the features of expressions, for clients that run `segmentor.onnx` alone.

    Args:
        folder: where `expressions.npz` goes, with `expressions` (N,), `word_features` (N, T, E) float32 and
            `attention_mask` (N, T) int64, padded with 0 to the longest one.
        expressions: the words.
        words: for each its ids and mask (T,), as ``TokenizeExpressiond`` gives them.
    """
    read = _runner(folder / TEXT_ENCODER_FILE)
    ids, masks = (torch.stack(part) for part in zip(*words, strict=True))
    longest = int(masks.sum(dim=1).max())
    features = read(ids[:, :longest], masks[:, :longest])
    with _whole(folder / BANK_FILE) as path, path.open("wb") as file:
        np.savez(
            file,
            expressions=np.array(expressions, dtype=str),
            word_features=features.numpy(),
            attention_mask=masks[:, :longest].numpy(),
        )
    return folder / BANK_FILE


def _write(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    names: Sequence[str],
    output: str,
    path: Path,
    about: Mapping[str, str],
) -> None:
    """Trace a copy, as the exporter folds batch norms into the very weights it is given.

    The other exporter of PyTorch needs more than ten minutes to keep height and width free.
    """
    axes = {name: _AXES.get(name, _WORDS_AXES) for name in names}
    given: dict[str, Any] = {"input_names": list(names), "output_names": [output], "dynamic_axes": axes}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(deepcopy(network), inputs, path, dynamo=False, opset_version=OPSET, **given)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(about))
    onnx.save(model, path)


def _padded(sample: Sample) -> Sample:
    image, ids, mask = sample
    missing = [max(-(-size // STRIDE) * STRIDE, 2 * STRIDE) - size for size in image.shape[2:]]
    # a part of a longer row would keep the program from more words than that row has
    return F.pad(image, (0, missing[1], 0, missing[0])), ids.contiguous(), mask.contiguous()


def _with_plain_sizes(network: nn.Module) -> nn.Module:
    """Copy a network so that each size in it is a whole multiple of those of the coarsest map.

    A 3x3 convolution of stride 2 never reaches the padding behind an even number of rows. Without it the size of the
    result is half of the input's without rounding, and export takes a minute; with it, it did not end within ten.
    """
    network = deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.padding = (0, 0)
            module.register_forward_pre_hook(_pad_before)
    return network


def _pad_before(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
    return (F.pad(inputs[0], (1, 0, 1, 0)),)


def _runner(path: Path) -> Callable[..., Tensor]:
    run, _ = ENGINES["onnx"](path)
    return lambda *inputs: torch.from_numpy(run(*(value.numpy() for value in inputs)))


@torch.no_grad()
def _check(
    name: str, run: Callable[..., Tensor], network: Callable[..., Tensor], samples: Sequence[tuple[Tensor, ...]]
) -> float:
    """Largest difference between two ways to compute the same."""
    differences = [(run(*sample) - network(*sample)).abs().max() for sample in samples]
    largest = float(torch.stack(differences).max())  # unlike Python's max, nan wherever there is one
    if not largest <= TOLERANCE:
        raise ValueError(f"{name} must agree with PyTorch within {TOLERANCE}, got a difference of {largest:.2g}")
    return largest


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give another name to write under; the file takes its own when the block ends without an error."""
    partial = path.with_name(f"{path.stem}.partial{os.getpid()}{path.suffix}")  # two may export at once
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
