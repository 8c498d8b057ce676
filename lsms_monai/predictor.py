# SPDX-License-Identifier: Apache-2.0
"""A bundle as a Python object: a CT volume and expressions in, answers out."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import AsDiscreted, LoadImaged, SaveImaged
from monai.utils.enums import SpaceKeys
from torch import Tensor, nn

from lsms_monai.answer import Answer
from lsms_monai.bundle_parts import load_weights, read_bundle, split_transforms
from lsms_monai.components import Components, find_components, paint
from lsms_monai.data.normalization import unknown_words
from lsms_monai.keys import ATTENTION_MASK, EXPRESSION, IMAGE, INPUT_IDS, PRED
from lsms_monai.onnx_network import ENGINES, OnnxNetwork
from lsms_monai.resolution import Plan, plan, resolve
from lsms_monai.transforms import SelectExpressiond

PARTS = ("network", "preprocessing", "inferer", "postprocessing", "device", "threshold", "existence_threshold")
TEXTS_AT_A_TIME = 16  # their answers lie in memory together, on the voxels that the network sees
Progress = Callable[[int, int], None]


class BundlePredictor:
    """Segment what expressions name, with the parts that a bundle's `configs/inference.json` lists.

    The bundle is loaded once and may be asked many times, by several threads in turn. An expression is data: it never
    enters the configuration, where a leading "$" would be executed.

    Args:
        bundle_dir: folder with `configs/inference.json`, `configs/metadata.json` and `models/model.pt`.
        device: "cpu", "cuda" or "cuda:N"; None takes what the bundle chooses.
        backend: "torch", or on the CPU, with the files of `lsms export onnx-split`, "onnx" (its Runtime) or "openvino".

    Raises:
        FileNotFoundError: if the folder or one of its three files is missing.
        ValueError: if a file cannot be used, the weights do not fit the network, or the device does not exist.
    """

    def __init__(
        self, bundle_dir: str | Path = "bundle", device: str | torch.device | None = None, *, backend: str = "torch"
    ) -> None:
        if backend not in ("torch", *ENGINES):
            raise ValueError(f"backend must be one of torch, {', '.join(ENGINES)}, got {backend!r}; take torch")
        folder = Path(bundle_dir)
        parser = read_bundle(folder, PARTS)
        if device is not None:
            parser["device"] = _checked_device(device)
        parts = {name: parser.get_parsed_content(name) for name in PARTS}
        self.metadata: dict[str, Any] = parser["_meta_"]
        self.device = torch.device(parts["device"])
        self.network: nn.Module = parts["network"]
        load_weights(self.network, folder / "models" / "model.pt")
        if backend in ENGINES:
            self.network = OnnxNetwork(folder / "models", backend)
        self.inferer = parts["inferer"]
        self.inferer.prepare(self.network.eval(), self.device)
        self.threshold = float(parts["threshold"])
        self.existence_threshold = float(parts["existence_threshold"])
        self._prepare_image, self._prepare_text = split_transforms(
            parts["preprocessing"], SelectExpressiond, without=LoadImaged
        )
        self._to_probability, _ = split_transforms(parts["postprocessing"], AsDiscreted, without=SaveImaged)
        self._lock = threading.Lock()

    def predict(
        self,
        image: np.ndarray,
        affine: np.ndarray,
        expressions: Sequence[str],
        *,
        keep_probability: bool = False,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Answer every expression about one image; the network reads each distinct text once.

        Args:
            image: intensities in HU, (W, H, D); a single slice has a size of 1 along one axis.
            affine: 4x4, voxel -> RAS mm.
            expressions: what to look for, each in a person's words.
            keep_probability: keep the probability map in each answer, 4 bytes a voxel.
            progress: called with (slices done, slices in all) over all texts and the search that comes first.

        Returns:
            One answer per expression, in their order; masks on the voxels of `image`.

        Raises:
            TypeError: if an expression is not a string, or `expressions` is one.
            ValueError: if an expression is empty, or image or affine cannot be used.
        """
        expressions = check_expressions(expressions)
        image, affine = _checked_image(image), _checked_affine(affine)
        plans = [plan(expression) for expression in expressions]
        texts = list(dict.fromkeys(text for plan in plans for text in plan.texts))
        seen: dict[str, _Seen] = {}
        with self._lock, torch.inference_mode():
            sample = _run(self._prepare_image, {IMAGE: _as_loaded(image, affine)})
            sample[IMAGE] = sample[IMAGE].to(self.device)
            depth = sample[IMAGE].shape[-1]
            searches = -(-len(texts) // TEXTS_AT_A_TIME) if self.inferer.search is not None and depth > 1 else 0
            with _slices_reported(self.network, progress, (len(texts) + searches) * depth):
                for first in range(0, len(texts), TEXTS_AT_A_TIME):
                    group = texts[first : first + TEXTS_AT_A_TIME]
                    start = time.perf_counter()
                    asked = [_run(self._prepare_text, {**sample, EXPRESSION: text}) for text in group]
                    logits = self._logits(asked)
                    shared_s = (time.perf_counter() - start) / len(group)
                    for text, one, answer in zip(group, asked, logits, strict=True):
                        start = time.perf_counter()
                        probability = self._probability(one, answer, image.shape)
                        components = find_components(probability, image, affine, self.threshold)
                        kept = probability if keep_probability else None
                        seen[text] = _Seen(components, kept, shared_s + time.perf_counter() - start)
        return [self._answer(*asked, seen) for asked in zip(expressions, plans, strict=True)]

    def _logits(self, asked: Sequence[dict[Any, Any]]) -> Tensor:
        """What the network says to several texts about the same image, (N, 1, W, H, D)."""
        ids, attention_mask = (
            torch.stack([one[key] for one in asked]).to(self.device) for key in (INPUT_IDS, ATTENTION_MASK)
        )
        return self.inferer(
            inputs=asked[0][IMAGE].unsqueeze(0), network=self.network, input_ids=ids, attention_mask=attention_mask
        )

    def _probability(self, asked: dict[Any, Any], logits: Tensor, shape: tuple[int, ...]) -> np.ndarray:
        """The same for one of them on the voxels of the image, (W, H, D)."""
        asked[PRED] = MetaTensor(logits.as_subclass(Tensor).float().cpu())  # Invertd leaves plain tensors as they are
        probability = _run(self._to_probability, asked)[PRED].as_tensor()[0].float().numpy()
        if probability.shape != shape:
            raise RuntimeError(
                f"the mask must have the image's shape {shape}, got {probability.shape}; the bundle's postprocessing "
                "must undo its preprocessing by Invertd"
            )
        return probability

    def _answer(self, expression: str, plan: Plan, seen: dict[str, "_Seen"]) -> Answer:
        """Resolve one expression over what the network has said to its texts."""
        target = seen[plan.texts[0]]
        resolution = resolve(plan, {text: seen[text].components for text in plan.texts}, self.existence_threshold)
        return Answer(
            expression,
            paint(resolution.components, target.components.shape),
            sorted((component.lesion for component in resolution.components), key=lambda lesion: -lesion.volume_ml),
            target.probability,
            sum(seen[text].duration_s for text in plan.texts),
            existence=resolution.existence,
            resolution=resolution.explanation,
            unknown_words=[] if plan.meaning else unknown_words(expression),
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the network has said to one text."""

    components: Components
    probability: np.ndarray | None
    duration_s: float


def check_expressions(expressions: Sequence[Any]) -> list[str]:
    """Refuse what cannot be asked for, before anything is computed.

    Raises:
        TypeError: if `expressions` is a string, or one of them is not.
        ValueError: if there is none, or one is empty or no UTF-8 text.
    """
    if isinstance(expressions, str):
        raise TypeError(f"expressions must be a list of strings, got the string {expressions!r:.80}; put it in a list")
    if len(expressions) == 0:
        raise ValueError("at least one expression is required, got none; name the lesion in words")
    for number, expression in enumerate(expressions, start=1):
        which = f"expression {number} of {len(expressions)}"
        if not isinstance(expression, str):
            raise TypeError(f"{which} must be a string, got {type(expression).__name__}: {expression!r:.80}")
        if not expression.strip():
            raise ValueError(f"{which} must not be empty; name the lesion in words")
        if any("\ud800" <= letter <= "\udfff" for letter in expression):  # what Python makes of other bytes
            raise ValueError(f"{which} must be UTF-8 text, got {expression!r:.80}; type it in a UTF-8 terminal")
    return list(expressions)


def _checked_image(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3 or image.size == 0 or image.dtype.kind not in "iuf":
        raise ValueError(
            f"image must be real numbers in HU of shape (W, H, D), got {image.dtype} of shape {image.shape}; "
            "give one volume with one channel"
        )
    return image


def _checked_affine(affine: np.ndarray) -> np.ndarray:
    affine = np.asarray(affine, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError(f"affine must be a finite 4x4 matrix, voxel -> RAS mm, got {affine.tolist()!s:.200}")
    if not np.allclose(affine[3], [0, 0, 0, 1]) or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError(f"affine must be invertible with the last row 0 0 0 1, got {affine.tolist()!s:.200}")
    return affine


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        checked = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be cpu, cuda or cuda:N, got {device!r}") from error
    if checked.type == "cuda" and (checked.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device} does not exist here ({torch.cuda.device_count()} CUDA devices); take cpu")
    return checked


def _as_loaded(image: np.ndarray, affine: np.ndarray) -> MetaTensor:
    """What LoadImaged would have given: (1, W, H, D) float32 with its geometry."""
    values = torch.from_numpy(np.require(image[np.newaxis], np.float32, ["C", "W"]))
    meta = {"original_affine": affine, "space": SpaceKeys.RAS, "spatial_shape": np.asarray(image.shape)}
    return MetaTensor(values, affine=torch.from_numpy(affine.copy()), meta=meta)


def _run(steps: Sequence[Callable[[Any], Any]], sample: dict[Any, Any]) -> dict[Any, Any]:
    """Apply transforms in turn; unlike Compose, a transform's error reaches the caller as it is."""
    for step in steps:
        sample = step(sample)
    return sample


@contextmanager
def _slices_reported(network: nn.Module, progress: Progress | None, total: int) -> Iterator[None]:
    """Report the slices that pass the network, each as often as it is asked."""
    if progress is None:
        yield
        return
    done = 0

    def count(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal done
        done = min(done + len(output), total)
        progress(done, total)

    with network.register_forward_hook(count):
        yield
    progress(total, total)
