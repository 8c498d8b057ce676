# SPDX-License-Identifier: Apache-2.0
"""Pictures of the best, the median and the worst cases, the answer beside the truth."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lsms_monai.answer import measure_lesions
from lsms_monai.evaluation.cases import Group, load_case
from lsms_monai.evaluation.records import Record
from lsms_monai.overlay import draw_overlay
from lsms_monai.predictor import BundlePredictor


def pick_examples(records: Sequence[Record], num_each: int = 2) -> dict[str, Record]:
    """Choose among expressions with a target by their Dice, each at most once.

    Args:
        records: of one evaluation.
        num_each: how many of the best, the median and the worst.

    Returns:
        Records by "best_1", "median_1", "worst_1" and so on.
    """
    ranked = sorted((r for r in records if r.wording == "matched" and r.has_target), key=lambda r: -r.dice)
    middle = max((len(ranked) - num_each) // 2, 0)
    places = {"best": range(num_each), "worst": range(len(ranked) - 1, len(ranked) - 1 - num_each, -1)}
    places["median"] = range(middle, middle + num_each)
    picked: dict[str, Record] = {}
    for kind, indices in places.items():
        for number, index in enumerate(indices, start=1):
            if 0 <= index < len(ranked) and ranked[index] not in picked.values():
                picked[f"{kind}_{number}"] = ranked[index]
    return picked


def draw_examples(
    folder: Path, predictor: BundlePredictor, groups: Sequence[Group], examples: dict[str, Record]
) -> dict[str, str]:
    """Write one picture for each example, left the answer, right the truth.

    Args:
        folder: an existing folder.
        predictor: asked once more, instead of keeping every mask.
        groups: of the evaluation.
        examples: see `pick_examples`.

    Returns:
        File and caption of each picture.
    """
    captions = {}
    for name, record in examples.items():
        case = load_case(next(group for group in groups if record.entry in dict(group)))
        truth = case.truth(record.entry)
        (answer,) = predictor.predict(case.image, case.affine, [record.text])
        lesions = measure_lesions(truth, case.image, truth.astype(np.float32), case.affine)
        meant = replace(answer, expression="The truth", mask=truth, lesions=lesions, existence=1.0, resolution="")
        pictures = [draw_overlay(case.image, case.affine, one) for one in (answer, meant)]
        _beside(pictures).save(folder / f"{name}.png", optimize=True)
        captions[f"{name}.png"] = f"Dice {record.dice:.2f}, {record.case}: {record.text}"
    return captions


def _beside(pictures: Sequence[Image.Image]) -> Image.Image:
    size = (sum(picture.width for picture in pictures), max(picture.height for picture in pictures))
    canvas, left = Image.new("RGB", size), 0
    for picture in pictures:
        canvas.paste(picture, (left, 0))
        left += picture.width
    return canvas
