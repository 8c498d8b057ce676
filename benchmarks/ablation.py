# SPDX-License-Identifier: Apache-2.0
"""What the parts of LSMS are worth: exchange one, train on livers with three lesions: one JSON line a row and seed.

Rows start from the released weights, so that a few minutes a row are enough. Those that compare sizes cannot: they
start from random weights and take ten times the steps, since words are heard after about a thousand only.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from latency import processor
from sarcoma import BUNDLE, run

from lsms_monai.data import write_phantoms
from lsms_monai.networks import LSMS

FROM_RANDOM = {"start_weights": None, "epochs": 10, "batch_dice": True, "learning_rate": 0.0015}
# What a row changes in `train.json`. Mixers are compared with each other, all of them started anew, and so are sizes.
ROWS: dict[str, dict[str, Any]] = {
    "full": {},
    "without_text": {"network_def#text_stages": [], "alignment_weight": 0.0},
    "text_in_the_coarse_stages": {"network_def#text_stages": [2, 3]},
    "frozen_text_encoder": {"network_def#trainable_text_layers": 0},
    "without_contrastive_loss": {"alignment_weight": 0.0},
    "detail_branch": {"network_def#detail_channels": 32, "start_network#anew": "detail."},
    "text_to_pixel_loss": {"loss#alignment#_target_": "lsms_monai.losses.TextToPixelContrastiveLoss"},
    "grouped_mixer": {"start_network#anew": "decoder.mixer."},
    "pooled_mixer": {"network_def#mixer": "pooled", "start_network#anew": "decoder.mixer."},
    "factorized_mixer": {"network_def#mixer": "factorized", "start_network#anew": "decoder.mixer."},
    "tiny_from_random": FROM_RANDOM,
    "small_from_random": {**FROM_RANDOM, "variant": "small"},
}
# The same for every row: the parts of the paper alone, what the released weights were trained with at last, and larger
# pixels, to be quicker.
COMMON = {
    "network_def#within_organ": False,
    "network_def#detail_channels": 0,
    "spacing": [3.0, 3.0, -1.0],
    "image_size": [128, 96],
    "epochs": 1,
    "batch_dice": False,
    "learning_rate": 0.0005,
    "selection_weight": 1.5,
    "start_weights": str(BUNDLE / "models" / "model.pt"),
    "start_network#_target_": "ablation.load_what_fits",
}
WORDINGS = ("matched", "shuffled", "contradicted")


def load_what_fits(network: LSMS, path: str, anew: str | None = None) -> None:
    """Start from weights, but for parts that they or the network lack and those whose names begin with `anew`."""
    released, own = torch.load(path, weights_only=True), network.state_dict()
    fitting = {name: value for name, value in released.items() if name in own and not (anew and name.startswith(anew))}
    network.load_state_dict(fitting, strict=False)


def measure(row: str, seed: int, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one row and ask it for the test phantoms in each wording.

    Args:
        row: of `ROWS`.
        seed: of new weights and of the order of the samples.
        folder: for weights and scores.
        settings: of the knobs, beyond `COMMON`.
    """
    settings = {**COMMON, **settings, **ROWS[row], "seed": seed}
    start = time.perf_counter()
    run(["train"], {**settings, "output_dir": str(folder)})
    minutes = (time.perf_counter() - start) / 60
    places = {"weights": str(folder / "model.pt"), "output_dir": str(folder / "test")}
    steps = settings["epochs"] * settings["epoch_length"]
    record: dict[str, Any] = {"row": row, "seed": seed, "steps": steps, "minutes": round(minutes, 1)}
    for wording in WORDINGS:
        tested = run(["train", "evaluate"], {**settings, **places, "wording": wording})
        metrics = tested.get_parsed_content("validate#evaluator").state.metrics
        record[wording] = {
            "dice": round(metrics["val_mean_dice"], 3),
            "dice_of_others": round(metrics["val_dice_of_others"], 3),
        }
    return {**record, "device": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a row and seed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"), help="folder for phantoms and weights")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), help="which to train")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], help="each row is trained with each of them")
    parser.add_argument("--steps", type=int, default=200, help="of 8 slices; ten times as many from random weights")
    parser.add_argument("--phantoms", type=int, default=800, help="80 %% are trained on, 10 %% are for the test")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch on the CPU")
    options = parser.parse_args(arguments)
    if min(options.steps, options.phantoms, options.threads) < 1:
        parser.error("--steps, --phantoms and --threads must be positive")
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)  # MONAI logs to the standard output
    output = options.output.absolute()
    datalist = output / "phantom" / "datalist.json"
    if not datalist.is_file():
        write_phantoms(datalist.parent, num_patients=options.phantoms, num_lesions=3, region_rates={"liver": 1})
    settings = {"datalist": str(datalist), "epoch_length": options.steps}
    for seed in options.seeds:
        for row in options.rows:
            record = measure(row, seed, output / f"{row}_{seed}", settings)
            sys.stdout.write(json.dumps(record) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
