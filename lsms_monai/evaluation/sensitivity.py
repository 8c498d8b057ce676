# SPDX-License-Identifier: Apache-2.0
"""How much one answer hangs on the wording: the same thing asked in other words, and the other way round."""

from typing import Any

import numpy as np

from lsms_monai.answer import Answer
from lsms_monai.data.geometry import to_lps
from lsms_monai.evaluation.listening import make_wordings
from lsms_monai.evaluation.statistics import finite
from lsms_monai.evaluation.summary import HIT, SAME_WORDS
from lsms_monai.metrics import mask_sizes, scores_of_sizes
from lsms_monai.predictor import BundlePredictor


def sensitivity(
    predictor: BundlePredictor,
    image: np.ndarray,
    affine: np.ndarray,
    expression: str,
    *,
    num_paraphrases: int = 6,
    seed: int = 0,
) -> dict[str, Any]:
    """Ask one expression in many wordings and compare the answers; no truth is needed.

    The consensus is what most of the wordings with the same meaning mark: the expression and its paraphrases.

    Args:
        predictor: the system.
        image: HU, (W, H, D).
        affine: 4x4, voxel -> RAS mm.
        expression: what to look for.
        num_paraphrases: wordings of the same meaning.
        seed: of the paraphrases.

    Returns:
        JSON-ready: `rows`, one for each wording (`agreement`: Dice to the consensus), `worst` (the wording with the
        same meaning that agrees least), `flip_rate` (rate of paraphrases that turn found into not found or back),
        `left_right` and `unknown_words`.
    """
    image, affine = to_lps(image, affine)
    words = make_wordings(expression, num_paraphrases=num_paraphrases, seed=seed)
    answers = predictor.predict(image, affine, [text for _, text in words.same_image])
    asked = [(wording, answer, answer.mask) for (wording, _), answer in zip(words.same_image, answers, strict=True)]
    if words.mirrored is not None:
        (answer,) = predictor.predict(np.ascontiguousarray(image[::-1]), affine, [words.mirrored])
        asked.append(("mirrored_image", answer, answer.mask[::-1]))
    same = [mask for wording, _, mask in asked if wording in SAME_WORDS]
    consensus = np.asarray(2 * np.sum(same, axis=0, dtype=np.int16) > len(same))
    rows = [_row(wording, answer, mask, consensus) for wording, answer, mask in asked]
    first, paraphrases = rows[0], [row for row in rows if row["wording"] == "paraphrase"]
    flips = [row["found"] != first["found"] for row in paraphrases]
    return {
        "expression": expression,
        "rows": rows,
        "worst": min((first, *paraphrases), key=lambda row: row["agreement"]),
        "flip_rate": sum(flips) / len(flips) if flips else None,
        "left_right": _left_right({wording: mask for wording, _, mask in asked}),
        "unknown_words": list(answers[0].unknown_words),
    }


def sensitivity_table(content: dict[str, Any]) -> list[str]:
    """Lay `sensitivity` out for a terminal, one line for each wording and the conclusions below."""
    lines = [f"{'wording':<15} {'found':<6} {'existence':>9} {'ml':>8} {'agreement':>9}  words"]
    for row in content["rows"]:
        found = "yes" if row["found"] else "no"
        figures = f"{row['existence']:>9.2f} {row['volume_ml']:>8.2f} {row['agreement']:>9.2f}"
        lines.append(f"{row['wording'].replace('_', ' '):<15} {found:<6} {figures}  {row['text']}")
    worst, rate = content["worst"], content["flip_rate"]
    lines.append("")
    if rate is None:
        lines.append("Paraphrases: none, the words are not understood as a whole; say it more plainly to check them.")
    else:
        lines.append(f"Paraphrases that turn found / not found: {rate:.0%}")
        lines.append(f"Worst wording, agreement {worst['agreement']:.2f}: {worst['text']}")
    lines.append(f"Left/right: {content['left_right']['verdict']}")
    if content["unknown_words"]:
        lines.append(f"Words that the training never used: {', '.join(content['unknown_words'])}")
    return lines


def _row(wording: str, answer: Answer, mask: np.ndarray, consensus: np.ndarray) -> dict[str, Any]:
    return {
        "wording": wording,
        "text": answer.expression,
        "found": bool(answer.found),
        "existence": finite(float(answer.existence)),
        "volume_ml": float(answer.volume_ml),
        "agreement": _dice(mask, consensus),
    }


def _left_right(masks: dict[str, np.ndarray]) -> dict[str, Any]:
    """Whether mirrored words leave the lesion, and find it again in the mirrored image."""
    if "mirrored_words" not in masks:
        return {"verdict": "not checked, the expression names no side", "passed": None}
    matched = masks["matched"]
    if not matched.any():
        return {"verdict": "not checked, nothing was found", "passed": None}
    kept = float(np.count_nonzero(masks["mirrored_words"] & matched) / np.count_nonzero(matched))
    again = _dice(masks["mirrored_image"], matched)
    has_passed = kept < HIT and again >= HIT
    verdict = (
        f"{'passed' if has_passed else 'failed'}, the other side's words keep {kept:.0%} of the mask; image and words "
        f"mirrored, the mask comes back with Dice {again:.2f}"
    )
    return {"verdict": verdict, "passed": has_passed, "kept_rate": kept, "mirrored_dice": again}


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return scores_of_sizes([mask_sizes(first, second)])["dice"]
