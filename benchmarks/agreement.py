# SPDX-License-Identifier: Apache-2.0
"""What a knob of `inference.json` changes: masks of two settings beside each other and the truth, one JSON line."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from latency import processor

from lsms_monai.data import load_datalist
from lsms_monai.evaluation import group_entries
from lsms_monai.evaluation.cases import Group, load_case
from lsms_monai.keys import EXPRESSION
from lsms_monai.predictor import BundlePredictor

CLEARLY = 0.05  # below 1, a Dice at which a person sees that two masks differ


def variant(bundle: Path, folder: Path, knobs: dict[str, Any]) -> BundlePredictor:
    """Load a copy of a bundle with other values of some knobs.

    Args:
        bundle: folder of the bundle.
        folder: new folder for the copy, which shares the weights.
        knobs: name and value of each.

    Raises:
        ValueError: if `inference.json` has no such knob.
    """
    shutil.copytree(bundle / "configs", folder / "configs")
    (folder / "models").symlink_to((bundle / "models").absolute())
    path = folder / "configs" / "inference.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for name in knobs:
        if name not in content:
            raise ValueError(
                f"{name!r} must be a knob of {path.name}, got none of that name; see bundle/docs/README.md"
            )
    path.write_text(json.dumps({**content, **knobs}), encoding="utf-8")
    return BundlePredictor(folder, "cpu")


def compare(first: BundlePredictor, second: BundlePredictor, groups: Sequence[Group]) -> dict[str, Any]:
    """Ask two predictors every expression about every image.

    Args:
        first: what to compare.
        second: with what.
        groups: of a datalist.

    Returns:
        Number of images and expressions; the mean Dice of the two masks, 1 where both are empty, and that of all
        voxels together; how many expressions one alone finds, and how many masks clearly differ; the mean Dice of each
        with the truth over expressions with a target.
    """
    between, with_truth = [], []
    common = total = found_by_one = 0
    for group in groups:
        case = load_case(group)
        texts = [entry[EXPRESSION] for _, entry in case.entries]
        answers = zip(*(each.predict(case.image, case.affine, texts) for each in (first, second)), strict=True)
        for (number, _), pair in zip(case.entries, answers, strict=True):
            masks, truth = [answer.mask & case.known for answer in pair], case.truth(number)
            common += int(np.count_nonzero(masks[0] & masks[1]))
            total += sum(int(np.count_nonzero(mask)) for mask in masks)
            between.append(dice(*masks))
            found_by_one += bool(pair[0].found != pair[1].found)
            if truth.any():
                with_truth.append([dice(mask, truth) for mask in masks])
    return {
        "images": len(groups),
        "expressions": len(between),
        "mean_dice": round(float(np.mean(between)), 4),
        "pooled_dice": round(2 * common / total, 4) if total else 1.0,
        "found_by_one": found_by_one,
        "clearly_different": sum(bool(each < 1 - CLEARLY) for each in between),
        "dice_with_truth": np.mean(with_truth, axis=0).round(4).tolist() if with_truth else None,
    }


def dice(mask: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks, 1 if both are empty."""
    total = np.count_nonzero(mask) + np.count_nonzero(other)
    return 2 * np.count_nonzero(mask & other) / total if total else 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datalist", type=Path, help="images with labels and expressions")
    parser.add_argument("--section", default="test", help="list of the datalist")
    parser.add_argument("--limit", type=int, help="so many images, drawn at random")
    parser.add_argument("--bundle", type=Path, default=Path("bundle"), help="folder of the bundle")
    for name in ("first", "second"):
        parser.add_argument(f"--{name}", type=json.loads, default={}, help='knobs as JSON, such as {"bfloat16": true}')
    options = parser.parse_args(arguments)
    try:
        groups = group_entries(load_datalist(options.datalist, options.section), options.limit)
        with TemporaryDirectory() as folder:
            first = variant(options.bundle, Path(folder, "first"), options.first)
            second = variant(options.bundle, Path(folder, "second"), options.second)
            result = compare(first, second, groups)
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    line = {"first": options.first, "second": options.second, **result, "device": processor()}
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
