# SPDX-License-Identifier: Apache-2.0
"""From records to figures: how good the masks are, and whether the words decide which lesion they show."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from lsms_monai.evaluation.records import Record
from lsms_monai.evaluation.statistics import auroc, calibration, estimate, finite, threshold_for
from lsms_monai.metrics import scores_of_sizes

HIT = 0.5  # Dice from which a mask shows what is meant, or two masks show the same
SIZES_MM = (10, 20, 40)
STRATA = ("< 10 mm", "10-20 mm", "20-40 mm", "> 40 mm")
SAME_WORDS = ("matched", "paraphrase")

Values = list[tuple[str, float]]

# Figure -> what it says, and how it is counted. Every one is a mean over patients.
FIGURES = {
    "dice_named": (
        "Dice of the named lesion, images with ≥ 2 lesions",
        "expressions that mean some lesions of an image and not others",
    ),
    "pointing": (
        "Pointing accuracy, images with ≥ 2 lesions",
        "the lesion that the mask overlaps best (Dice) is meant; an empty mask points at none",
    ),
    "matched_minus_shuffled": (
        "Matched minus shuffled Dice",
        "expressions with a target; the shuffled words are those of another entry, the truth stays",
    ),
    "matched_minus_shuffled_named": (
        "Matched minus shuffled Dice, images with ≥ 2 lesions",
        "as above, where the words choose",
    ),
    "flip_success": (
        "Left/right flip success",
        "of expressions that name a side and were answered rightly (Dice ≥ 0.5): the mirrored words cover less than "
        "half of the named lesion, and the mirrored words about the mirrored image give the mirrored mask (Dice ≥ 0.5)",
    ),
    "n_acc": ("N-acc: no target, nothing marked", "the threshold of the bundle decides"),
    "t_acc": ("T-acc: a target, something marked", "the threshold of the bundle decides"),
    "paraphrase_flip_rate": (
        "Paraphrase flip rate",
        "held-out wordings of the same meaning that turn found into not found or back, or the mask to another place "
        "(Dice of the two masks < 0.5)",
    ),
    "paraphrase_found_flip_rate": ("Paraphrase flip rate of found / not found alone", "wherever the mask lies"),
    "paraphrase_worst_dice": ("Dice of the worst of all wordings with one meaning", "expressions with a target"),
    "false_positive_ml": ("False-positive ml per slice without a target", "volume of the mask over its slices"),
    "dice_target": ("Dice, all expressions with a target", "an empty mask counts 0"),
    "nsd": ("NSD at 2 mm", "expressions with a target; an empty mask counts 0"),
    "hd95_mm": ("HD95 in mm", "expressions with a target and a mask"),
}  # fmt: skip


class Table:
    """Records by entry and wording.

    Args:
        records: of one evaluation.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.matched = [record for record in records if record.wording == "matched"]
        self._others: dict[tuple[int, str], list[Record]] = defaultdict(list)
        for record in records:
            self._others[record.entry, record.wording].append(record)

    def also(self, record: Record, wording: str) -> list[Record]:
        """Records of the same entry in another wording."""
        return self._others.get((record.entry, wording), [])


def summarize(records: Sequence[Record], *, threshold: float | None = None, seed: int = 0) -> dict[str, Any]:
    """Compute every figure of a report.

    Args:
        records: of one evaluation.
        threshold: of the existence score, chosen on other data; None chooses one here.
        seed: of the bootstrap.

    Returns:
        JSON-ready content: `figures` (see `FIGURES`), `scores` (see `referring_scores`), `existence`, `wordings`,
        `groups` of expressions and `calibration`.
    """
    table = Table(records)
    matched = table.matched
    figures = {name: estimate(values, seed).to_dict() for name, values in figure_values(table).items()}
    lesions = [lesion for record in matched for lesion in record.lesions]
    return {
        "num_images": len({(record.image, record.label, record.case) for record in matched}),
        "num_expressions": len(matched),
        "num_patients": len({record.patient_id for record in matched}),
        "num_answers": len(records),
        "figures": figures,
        "scores": {key: finite(value) for key, value in scores_of_sizes([r.sizes for r in matched]).items()},
        "existence": existence(matched, threshold),
        "wordings": {name: _of_wording(records, name, seed) for name in dict.fromkeys(r.wording for r in records)},
        "groups": {name: _grouped(matched, key, seed) for name, key in GROUPS.items()},
        "calibration": calibration(lesions),
    }


def figure_values(table: Table) -> dict[str, Values]:
    """(patient, value) pairs of every figure."""
    target = [record for record in table.matched if record.has_target]
    choice = [record for record in target if record.is_choice]
    nothing = [record for record in table.matched if not record.has_target]
    worst = [(r, min([r.dice] + [p.dice for p in table.also(r, "paraphrase")])) for r in target]
    return {
        "dice_named": [(r.patient_id, r.dice) for r in choice],
        "pointing": [(r.patient_id, float(bool(r.pointed))) for r in choice],
        "matched_minus_shuffled": _minus_shuffled(table, target),
        "matched_minus_shuffled_named": _minus_shuffled(table, choice),
        "flip_success": _flips(table, target),
        "n_acc": [(r.patient_id, float(r.mask_voxels == 0)) for r in nothing],
        "t_acc": [(r.patient_id, float(r.mask_voxels > 0)) for r in target],
        "paraphrase_flip_rate": _paraphrase_flips(table, by_mask=True),
        "paraphrase_found_flip_rate": _paraphrase_flips(table, by_mask=False),
        "paraphrase_worst_dice": [(r.patient_id, dice) for r, dice in worst if table.also(r, "paraphrase")],
        "false_positive_ml": [(r.patient_id, r.mask_ml / r.num_slices) for r in nothing],
        "dice_target": [(r.patient_id, r.dice) for r in target],
        "nsd": [(r.patient_id, r.nsd) for r in target],
        "hd95_mm": [(r.patient_id, r.hd95_mm) for r in target],
    }


def existence(matched: Sequence[Record], threshold: float | None = None) -> dict[str, Any]:
    """Say how well the existence score tells expressions with a target from those without.

    Args:
        matched: one record for each expression.
        threshold: chosen on other data; None chooses the highest that 95 % of the targets here reach.
    """
    positive = [record.existence for record in matched if record.has_target]
    negative = [record.existence for record in matched if not record.has_target]
    is_given = threshold is not None
    if threshold is None:  # rounded down, so that what is printed lets through what was counted
        threshold = threshold_for(positive)
        threshold = threshold if math.isnan(threshold) else math.floor(threshold * 1e6) / 1e6
    return {
        "auroc": finite(auroc(positive, negative)),
        "threshold": finite(threshold),
        "threshold_is_given": is_given,
        "n_acc": _rate(score < threshold for score in negative),
        "t_acc": _rate(score >= threshold for score in positive),
        "num_targets": len(positive),
        "num_without": len(negative),
    }


def _minus_shuffled(table: Table, records: Sequence[Record]) -> Values:
    return [(r.patient_id, r.dice - other.dice) for r in records for other in table.also(r, "shuffled")]


def _flips(table: Table, target: Sequence[Record]) -> Values:
    values = []
    for record in target:
        words, image = table.also(record, "mirrored_words"), table.also(record, "mirrored_image")
        if words and image and record.dice >= HIT:
            values.append((record.patient_id, float(words[0].coverage < HIT and image[0].agreement >= HIT)))
    return values


def _paraphrase_flips(table: Table, by_mask: bool) -> Values:
    values = []
    for record in table.matched:
        for other in table.also(record, "paraphrase"):
            has_flipped = record.found != other.found or (by_mask and other.agreement < HIT)
            values.append((record.patient_id, float(has_flipped)))
    return values


def _of_wording(records: Sequence[Record], wording: str, seed: int) -> dict[str, Any]:
    """How a wording fares on expressions with a target, and where the words choose."""
    asked = [r for r in records if r.wording == wording and r.has_target]
    return {
        "dice": estimate([(r.patient_id, r.dice) for r in asked], seed).to_dict(),
        "dice_named": estimate([(r.patient_id, r.dice) for r in asked if r.is_choice], seed).to_dict(),
        "found_rate": estimate([(r.patient_id, float(r.found)) for r in asked], seed).to_dict(),
    }


def _grouped(matched: Sequence[Record], key: Callable[[Record], str | None], seed: int) -> dict[str, Any]:
    """Dice and pointing of expressions with a target, by what they have in common."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in matched:
        name = key(record) if record.has_target else None
        if name is not None:
            groups[name].append(record)
    return {
        name: {
            "dice": estimate([(r.patient_id, r.dice) for r in group], seed).to_dict(),
            "pointing": estimate(
                [(r.patient_id, float(bool(r.pointed))) for r in group if r.is_choice], seed
            ).to_dict(),
        }
        for name, group in sorted(groups.items(), key=_group_order)
    }


def size_stratum(record: Record) -> str | None:
    """Stratum of the diameter of the one lesion that is meant."""
    if math.isnan(record.diameter_mm):
        return None
    return STRATA[sum(record.diameter_mm >= limit for limit in SIZES_MM)]


GROUPS: dict[str, Callable[[Record], str | None]] = {
    "size": size_stratum,
    "attributes": lambda r: "not understood" if r.num_attributes is None else str(r.num_attributes),
    "words": lambda r: ("1-3", "4-6", "7 or more")[min((len(r.expression.split()) - 1) // 3, 2)],
    "lesions": lambda r: str(r.num_lesions) if r.num_lesions < 4 else "4 or more",
    "targets": lambda r: "one" if r.num_targets == 1 else "all" if not r.is_choice else "several",
    "image": lambda r: "slice" if r.num_slices == 1 else "volume",
    "source": lambda r: r.source or "not named",
}


def _group_order(item: tuple[str, Any]) -> tuple[int, str]:
    return (STRATA.index(item[0]) if item[0] in STRATA else 0), item[0]


def _rate(outcomes: Any) -> float | None:
    outcomes = list(outcomes)
    return sum(outcomes) / len(outcomes) if outcomes else None
