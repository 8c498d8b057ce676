# SPDX-License-Identifier: Apache-2.0
"""Fine-tune on saved segments: what a segment's name says is the expression, its voxels are the truth."""

import json
import logging
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigWorkflow

from lsms_monai.data.description import read_aligned
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, SLICE_INDEX
from lsms_monai.predictor import BundlePredictor
from lsms_monai.resolution import plan

logger = logging.getLogger(__name__)

MAX_SLICES = 8  # of one segment; a slice is a training sample
ABOUT = "training.json"
# What MONAI Label's client and 3D Slicer ("Segment_1") call a segment by themselves.
_NO_WORDS = re.compile(r"\s*|background|(fore|back)ground scribbles|segment[ _]?\d*", re.IGNORECASE)


@dataclass(frozen=True)
class Study:
    """An image with its saved label map.

    Args:
        name: of the study; training and validation are split by it.
        image: file of the image.
        label: file of the label map.
        segments: name of each segment and its value in the label map; two may have one name.
    """

    name: str
    image: str
    label: str
    segments: Sequence[tuple[str, int]]


def asked_as(expression: str) -> str:
    """Give the words that the network is trained on for an expression: those that it is asked with later.

    The predictor asks in fixed plain words for what a slice can tell, and tells the rest over the volume. Names that
    need the volume, such as "the largest cyst", and names that are not understood stay as they are: the other lesions
    that their plain words name, "all cysts", may not have been outlined.

    Args:
        expression: name of a segment.

    Example:
        >>> asked_as("Cyst of the left lobe")
        'all cysts in the left lobe'
        >>> asked_as("the largest cyst")
        'the largest cyst'
    """
    made = plan(expression)
    if made.meaning is None or made.meaning.needs_volume or made.exception is not None:
        return expression
    return made.texts[0]


def samples(study: Study) -> list[dict[str, Any]]:
    """Give a training sample for every slice of every segment, the largest areas first, at most 8 of each.

    Segments that the network is asked for in the same words are one: "the cyst" and "Cyst" are all cysts. Segments
    without a voxel, without a name of their own, or for scribbles are left out: 3D Slicer counts removed segments too,
    so that a value may not be in the label map.

    Args:
        study: with its saved segments.

    Raises:
        OSError: if a file cannot be opened.
        ValueError: if the label map does not lie where the image lies, or holds no whole numbers.
    """
    _, (labels,), _ = read_aligned(study.image, study.label)
    meant: dict[str, list[int]] = {}
    for name, value in study.segments:
        if value > 0 and not _NO_WORDS.fullmatch(name) and (labels == value).any():
            meant.setdefault(asked_as(name), []).append(value)
        else:
            logger.info("segment %r (%s) of %s is left out: it has no voxels or no words", name, value, study.name)
    found = []
    for expression, values in meant.items():
        areas = np.isin(labels, values).sum(axis=(0, 1))
        largest = np.argsort(-areas, kind="stable")[: min(MAX_SLICES, np.count_nonzero(areas))]
        sample = {IMAGE: study.image, LABEL: study.label, EXPRESSION: expression, LABEL_VALUE: values}
        found += [{**sample, SLICE_INDEX: int(index)} for index in largest]
    return found


def split(studies: Sequence[Study], val_split: float) -> dict[str, list[dict[str, Any]]]:
    """Make a datalist: whole studies for training and for validation.

    With a single usable study, validation measures on what was trained.

    Args:
        studies: with their saved segments.
        val_split: rate of the studies that validation takes, at least one of them.

    Raises:
        ValueError: if no segment can be learned from, or the rate is not between 0 and 1.
    """
    if not 0 <= val_split < 1:
        raise ValueError(f"val_split must be at least 0 and below 1, got {val_split}")
    usable = [made for study in studies if (made := samples(study))]
    if not usable:
        raise ValueError(
            "fine-tuning needs at least one saved segment whose name is an expression, got none; name the segment "
            "as you would name the lesion in a report, and submit the label"
        )
    num_validation = min(max(1, round(val_split * len(usable))), len(usable) - 1)
    parts = {"training": usable[num_validation:], "validation": usable[:num_validation] or usable}
    return {name: [sample for made in part for sample in made] for name, part in parts.items()}


def finetune(
    start: Path,
    bundle: Path,
    out_dir: Path,
    studies: Sequence[Study],
    *,
    epochs: int = 10,
    learning_rate: float = 1e-4,
    val_split: float = 0.2,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Path:
    """Train on saved segments and add a new bundle to `out_dir`, whole or not at all.

    The expressions go into a datalist, never into a configuration.

    Args:
        start: bundle whose weights the training begins with.
        bundle: bundle whose `train.json` says how to train.
        out_dir: folder of the fine-tuned bundles.
        studies: with their saved segments.
        epochs: rounds over all samples.
        learning_rate: of everything but the text encoder, which learns at a tenth of it.
        val_split: see `split`.
        device: "cpu", "cuda", "cuda:N", or None for what the bundle chooses.
        overrides: further ids of `train.json`.

    Returns:
        Folder of the new bundle, with `training.json` about the training in it.

    Raises:
        ValueError: if there is nothing to learn from, or the new weights do not load.
    """
    datalist = split(studies, val_split)
    out_dir.mkdir(parents=True, exist_ok=True)
    for left in out_dir.glob(".part_*"):  # of a training that was stopped
        shutil.rmtree(left, ignore_errors=True)
    name = f"{time.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(2)}"
    part = out_dir / f".part_{name}"
    try:
        (part / "models").mkdir(parents=True)
        shutil.copytree(bundle / "configs", part / "configs")
        (part / "datalist.json").write_text(json.dumps(datalist, indent=1), encoding="utf-8")
        about = _train(
            {
                "bundle_root": str(bundle),
                "datalist": str(part / "datalist.json"),
                "output_dir": str(part / "run"),
                "epochs": epochs,
                "learning_rate": learning_rate,
                "text_learning_rate": learning_rate / 10,
                "start_weights": str(start / "models" / "model.pt"),
                "pretrained_text": False,
                "batch_size": min(8, len(datalist["training"])),
                "batch_dice": False,  # the two are for random weights, and would now draw lesions wider
                "foreground_weight": 1.0,
                **({} if device is None else {"device": f"$torch.device('{torch.device(device)}')"}),
                **(overrides or {}),
            },
            bundle / "configs" / "train.json",
        )
        (part / "run" / "model.pt").rename(part / "models" / "model.pt")
        shutil.rmtree(part / "run")
        BundlePredictor(part, "cpu")  # loads strictly, or the old weights go on answering
        counts = {name: len(entries) for name, entries in datalist.items()}
        (part / ABOUT).write_text(json.dumps({**about, "samples": counts, "started_from": start.name}, indent=1))
        return part.rename(out_dir / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def stats(folder: Path) -> dict[str, Any]:
    """What the last training of a fine-tuned bundle reached, in the names of MONAI Label's clients; {} if unknown."""
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _train(overrides: dict[str, Any], config: Path) -> dict[str, Any]:
    """Run the training of a configuration and say what it reached."""
    start = time.time()
    workflow = ConfigWorkflow(str(config), workflow_type="train", logging_file=False, **overrides)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    evaluator = workflow.parser.get_parsed_content("validate#evaluator")
    epochs = int(workflow.parser.get_parsed_content("train#trainer").state.epoch)
    return {
        "best_metric": round(float(evaluator.state.best_metric), 4),
        "epoch": epochs,
        "total_epochs": epochs,
        "total_time": time.strftime("%H:%M:%S", time.gmtime(time.time() - start)),
    }
