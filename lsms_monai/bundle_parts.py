# SPDX-License-Identifier: Apache-2.0
"""What an application takes out of a bundle's folder: its configuration, weights and transforms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from torch import nn


def use_device(device: torch.device) -> None:
    """Make a GPU the default one of this process: PyTorch's and Ignite's collective functions go by that."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load a plain state dict, every weight and no other.

    Args:
        network: takes the weights, converted to its own precision.
        path: what `torch.save(network.state_dict(), path)` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no state dict or does not fit; names the first keys.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"weights not found: {path}; take a released bundle, or train them: "
            "python -m monai.bundle run training --config_file bundle/configs/train.json"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        given = {key: tuple(value.shape) for key, value in state.items()}
    except Exception as error:  # unpickling raises nearly anything
        raise ValueError(f"{path} must be a PyTorch state dict, it cannot be read ({type(error).__name__})") from error
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    problems = {
        "missing": [key for key in wanted if key not in given],
        "unexpected": [key for key in given if key not in wanted],
        "of another shape": [key for key in wanted if key in given and wanted[key] != given[key]],
    }
    if any(problems.values()):
        found = "; ".join(f"{len(k)} {name}: {', '.join(k[:3])}" for name, k in problems.items() if k)
        raise ValueError(f"weights in {path} must fit the network, got {found}; take the weights of this configuration")
    network.load_state_dict(state)


def read_bundle(folder: Path, names: Sequence[str]) -> ConfigParser:
    """Parse a bundle's inference configuration, with its metadata under "_meta_" and its own place as "bundle_root".

    Args:
        folder: the bundle.
        names: parts that the configuration must define.

    Raises:
        FileNotFoundError: if the folder or one of the two files is missing.
        ValueError: if a file is not JSON, or a part is missing.
    """
    config, metadata = folder / "configs" / "inference.json", folder / "configs" / "metadata.json"
    for path in (folder, config, metadata):
        if not path.exists():
            raise FileNotFoundError(f"bundle not found: {path} does not exist; name the folder of an unpacked bundle")
    parser = ConfigParser()
    try:
        parser.read_config(config)
        parser.read_meta(metadata)
    except ValueError as error:
        raise ValueError(f"the configuration of {folder} must be JSON: {error}") from error
    missing = [name for name in names if name not in parser]
    if missing:
        raise ValueError(f"{config} must define {', '.join(names)}; {', '.join(missing)} is missing")
    parser["bundle_root"] = str(folder)
    return parser


def split_transforms(compose: Compose, kind: type, *, without: type) -> tuple[list[Any], list[Any]]:
    """Give the transforms before the first of class `kind`, and the rest with it, both without those of `without`.

    Raises:
        ValueError: if none is of class `kind`.
    """
    steps = [step for step in compose.flatten().transforms if not isinstance(step, without)]
    position = next((i for i, step in enumerate(steps) if isinstance(step, kind)), None)
    if position is None:
        names = ", ".join(type(step).__name__ for step in steps)
        raise ValueError(f"{kind.__name__} is required among the bundle's transforms, got {names}; add it")
    return steps[:position], steps[position:]
