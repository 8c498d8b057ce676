# SPDX-License-Identifier: Apache-2.0
"""What each change for speed is worth: one slice, one expression, one change after the other: one JSON line each."""

import argparse
import copy
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from latency import NUM_TOKENS, processor, time_all
from torch import Tensor, nn

from lsms_monai.inferers import ExpressionSliceInferer
from lsms_monai.keys import ATTENTION_MASK, INPUT_IDS
from lsms_monai.networks import LSMS

MAX_LENGTH = 32  # word pieces of a padded expression


def steps(network: LSMS, image: Tensor) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """For each state of the program the call and its arguments, as `time_all` takes them.

    Args:
        network: in evaluation.
        image: (1, 1, H, W).
    """
    ids = torch.zeros(1, MAX_LENGTH, dtype=torch.long)
    ids[:, :NUM_TOKENS] = torch.arange(1000, 1000 + NUM_TOKENS)
    words = {INPUT_IDS: ids, ATTENTION_MASK: (ids > 0).long()}
    channels_last = copy.deepcopy(network)
    nn.utils.convert_conv2d_weight_memory_format(channels_last, torch.channels_last)
    fp32, bf16 = ExpressionSliceInferer(bfloat16=False), ExpressionSliceInferer(bfloat16=True)
    kept = copy.deepcopy(channels_last)
    bf16.prepare(kept, image.device)
    return {
        "float32, padded to 32 word pieces": (lambda: network(image, **words), ()),
        "shared padding left out": (lambda: fp32(image, network, **words), ()),
        "channels last": (lambda: fp32(image, channels_last, **words), ()),
        "bfloat16 by autocast": (lambda: bf16(image, channels_last, **words), ()),
        "weights kept in bfloat16": (lambda: bf16(image, kept, **words), ()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="tiny", help="size of the network")
    parser.add_argument("--size", type=int, default=224, help="height and width of the slice")
    parser.add_argument("--repeats", type=int, default=15, help="timed rounds; the states take turns")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    options = parser.parse_args(arguments)
    if min(options.size, options.repeats, options.threads) < 1:
        parser.error("--size, --repeats and --threads must be positive")
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    network = LSMS(options.variant).eval()
    with torch.inference_mode():
        prepared = steps(network, torch.rand(1, 1, options.size, options.size))
        times = time_all(prepared, options.repeats, torch.device("cpu"))
    before = None
    for change, values in times.items():
        median = statistics.median(values)
        record = {
            "change": change,
            "variant": options.variant,
            "size": options.size,
            "ms": round(median, 1),
            "times_before": round(median / before, 2) if before else None,
            "device": processor(),
            "threads": options.threads,
            "torch": torch.__version__,
        }
        sys.stdout.write(json.dumps(record) + "\n")
        before = median


if __name__ == "__main__":
    main()
