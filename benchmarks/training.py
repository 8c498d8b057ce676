# SPDX-License-Identifier: Apache-2.0
"""Samples a second, share of the loading and peak memory of training by `train.json`: one JSON line a setting."""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.handlers import BasicTimeProfiler
from latency import processor, status_mib
from monai.bundle import ConfigParser

CONFIG = Path(__file__).parents[1] / "bundle" / "configs" / "train.json"


def measure(settings: dict[str, Any], steps: int) -> dict[str, Any]:
    """Train for a few steps with these settings of the knobs, after one step of warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        parser = ConfigParser()
        parser.read_config(CONFIG)
        num_phantoms = (steps + 1) * settings["batch_size"]  # each has several expressions: enough for one pass
        own = {"phantom_dir": f"{folder}/phantom", "num_phantoms": num_phantoms, "output_dir": folder}
        short = {"pretrained_text": False, "epochs": 1, "epoch_length": steps + 1, "train#handlers": []}
        parser.update({**own, **short, **settings})
        before = status_mib("VmRSS")
        trainer, profiler = parser.get_parsed_content("train#trainer"), BasicTimeProfiler()
        profiler.attach(trainer)
        trainer.run()
    loading_s, step_s = profiler.dataflow_times[1:], profiler.processing_times[1:]
    seconds = float((loading_s + step_s).sum())
    return {
        **settings,
        "samples_per_s": round(steps * settings["batch_size"] / seconds, 2),
        "share_of_loading": round(float(loading_s.sum()) / seconds, 3),
        "peak_memory_mib": round(status_mib("VmHWM") - before, 0),
        "device": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a setting, each from a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=4, help="slices of a step")
    parser.add_argument("--steps", type=int, default=6, help="timed steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("--variants", nargs="+", default=["tiny", "small"], help="sizes of the network")
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if min(options.size, options.batch, options.steps, options.threads) < 1:
        parser.error("--size, --batch, --steps and --threads must be positive")
    torch.set_num_threads(options.threads)
    if options.settings:
        sys.stdout.write(json.dumps(measure(options.settings, options.steps)) + "\n")
        return
    for variant, bfloat16, use_checkpoint in itertools.product(options.variants, (False, True), (False, True)):
        settings = {"variant": variant, "bfloat16": bfloat16, "use_checkpoint": use_checkpoint}
        settings |= {"image_size": [options.size, options.size], "batch_size": options.batch}
        command = [sys.executable, __file__, "--settings", json.dumps(settings), "--steps", str(options.steps)]
        command += ["--threads", str(options.threads)]
        sys.stdout.write(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
