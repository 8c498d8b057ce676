# SPDX-License-Identifier: Apache-2.0
"""Which parameters learn how fast."""

import re
from typing import Any

from torch import nn


def parameter_groups(
    network: nn.Module, *, learning_rate: float, text_learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Every trainable parameter once: the text encoder at its own rate, norms, biases and embeddings without decay.

    Args:
        network: an ``LSMS``, possibly wrapped for several GPUs.
        learning_rate: rate of everything but the text encoder.
        text_learning_rate: rate of the text encoder.
        weight_decay: decay of the weights of convolutions and linear layers.

    Returns:
        Groups for a torch optimizer.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            has_decay = parameter.ndim > 1 and not re.search(r"(_embeddings?(\.weight)?|scale\w*)$", name)
            groups.setdefault(("text_encoder." in name, has_decay), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": text_learning_rate if is_text else learning_rate,
            "weight_decay": weight_decay if has_decay else 0.0,
        }
        for (is_text, has_decay), parameters in groups.items()
    ]
