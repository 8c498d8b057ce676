# SPDX-License-Identifier: Apache-2.0
"""Dice on real sarcomas of LSMS, named by their class, beside MONAI's DynUNet: one JSON line a model."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from latency import processor
from monai.bundle import ConfigParser, ConfigWorkflow

from lsms_monai.evaluation.statistics import estimate
from lsms_monai.keys import PATIENT_ID

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
# Configurations of each model, laid over one another, and knobs.
MODELS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "dynunet": (["train", "sarcoma", "dynunet"], {}),
    "lsms": (["train", "sarcoma"], {}),
    "lsms_released": (["train", "sarcoma"], {"start_weights": str(BUNDLE / "models" / "model.pt")}),
}
REFERENCE = "dynunet"


def run(names: Sequence[str], settings: Mapping[str, Any]) -> ConfigParser:
    """Run configurations of the bundle, and give what they have become."""
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in names]
    workflow = ConfigWorkflow(files, workflow_type="train", logging_file=False, **settings)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow.parser


def measure(name: str, folder: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, float]]]:
    """Train one model and test its best weights.

    Args:
        name: of the model.
        folder: for its weights, logs and scores of each slice.
        settings: of the knobs, the same for every model.

    Returns:
        The record, and (patient, Dice) of each slice of the test patients.
    """
    names, own = MODELS[name]
    start = time.perf_counter()
    trained = run(names, {**settings, **own, "output_dir": str(folder)})
    minutes = (time.perf_counter() - start) / 60
    places = {"weights": str(folder / "model.pt"), "output_dir": str(folder / "test")}
    tested = run([*names, "evaluate"], {**settings, **own, **places})
    dice = tested.get_parsed_content("validate#evaluator").state.metric_details["val_mean_dice"].flatten().tolist()
    patients = [entry[PATIENT_ID] for entry in tested.get_parsed_content("validate#dataset").data]
    validation = trained.get_parsed_content("validate#evaluator").state
    record = {
        "model": name,
        "steps": trained.get_parsed_content("train#trainer").state.iteration,
        "batch_size": trained.get_parsed_content("batch_size"),
        "validation_dice": round(validation.best_metric, 3),
        "best_epoch": validation.best_metric_epoch,
        "minutes": round(minutes, 1),
    }
    return record, list(zip(patients, dice, strict=True))


def compare(names: Sequence[str], folder: Path, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One record a model, with Dice over the test patients and, behind DynUNet, the difference to it."""
    scores: dict[str, list[tuple[str, float]]] = {}
    for name in names:
        record, scores[name] = measure(name, folder / name, settings)
        record |= {"dice": estimate(scores[name]).to_dict()}
        if REFERENCE in scores and name != REFERENCE:
            pairs = zip(scores[name], scores[REFERENCE], strict=True)
            record["minus_dynunet"] = estimate((patient, own - other) for (patient, own), (_, other) in pairs).to_dict()
        yield {**record, "device": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datalist", type=Path, default=Path("runs/sarcoma/datalist.json"), help="the data")
    parser.add_argument("--output", type=Path, default=Path("runs/sarcoma"), help="folder for weights and scores")
    parser.add_argument("--epochs", type=int, default=10, help="passes of each model over the training patients")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch on the CPU")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), help="which to train")
    options = parser.parse_args(arguments)
    if not options.datalist.is_file() or options.epochs < 1:
        parser.error(
            f"--datalist must be a file that tools/make_sarcoma_set.py wrote and --epochs positive, got "
            f"{options.datalist}, {options.epochs}"
        )
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)  # MONAI logs to the standard output
    settings = {"datalist": str(options.datalist.absolute()), "epochs": options.epochs}
    for record in compare(options.models, options.output.absolute(), settings):
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
