# SPDX-License-Identifier: Apache-2.0
"""The files of an evaluation: `report.json`, `report.md` and `records.csv`."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lsms_monai.evaluation.records import Record
from lsms_monai.evaluation.summary import FIGURES

REPORT_FILE = "report.json"
REPORT_FILES = re.compile(
    r"report\.(json|md)|records\.csv|(dice_by_wording|dice_by_size|calibration|(best|median|worst)_\d+)\.png"
)
_GROUP_TITLES = {
    "size": "size of the one lesion that is meant",
    "attributes": "number of things that the expression says",
    "words": "number of words",
    "lesions": "lesions in the image",
    "targets": "lesions that are meant",
    "image": "kind of image",
    "source": "source (study_id of the datalist)",
}
_WORDINGS = {
    "matched": "matched: the words of the datalist",
    "shuffled": "shuffled: those of another entry",
    "empty": "empty: “liver lesion”",
    "contradicted": "contradicted: right for left, largest for smallest, dark for bright",
    "mirrored_words": "mirrored words: right for left alone",
    "mirrored_image": "mirrored words and image, mask turned back",
    "paraphrase": "held-out paraphrases",
}


def write_evaluation(folder: Path, content: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Write `report.json`, `report.md` and `records.csv`, one row for each answer.

    Args:
        folder: an existing folder.
        content: what `summarize` returns, with `about` (model, data), `skipped` (lines) and `pictures` (file: caption).
        records: of one evaluation.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / "report.md").write_text(to_markdown(content), encoding="utf-8")
    rows = [record.to_dict() for record in records]
    with (folder / "records.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def figure_lines(content: Mapping[str, Any]) -> list[str]:
    """Say each figure that there is in one line."""
    lines = []
    for name, (title, _) in FIGURES.items():
        figure = content["figures"][name]
        if figure["value"] is not None:
            counted = f"{figure['num_samples']} of {figure['num_patients']} patients"
            lines.append(f"{title}: {figure['value']:.3f}{_interval(figure, ' ({} to {})')} [{counted}]")
    existence = content["existence"]
    if existence["auroc"] is not None:
        lines.append(f"Existence score: AUROC {existence['auroc']:.3f}")
    if existence["threshold"] is not None:
        n_acc = "" if existence["n_acc"] is None else f", N-acc {existence['n_acc']:.3f}"
        chosen = "given" if existence["threshold_is_given"] else "chosen on this section, for T-acc >= 0.95"
        t_acc = "" if existence["t_acc"] is None else f": T-acc {existence['t_acc']:.3f}{n_acc}"
        lines.append(f"Existence threshold {existence['threshold']:.6f} ({chosen}){t_acc}")
    return lines


def to_markdown(content: Mapping[str, Any]) -> str:
    """Lay the figures out for a person."""
    about = content["about"]
    parts = [
        f"# Evaluation of {about['model']} {about['version']}",
        f"Section “{about['section']}” of `{about['datalist']}`: {content['num_expressions']} expressions about "
        f"{content['num_images']} images of {content['num_patients']} patients, {content['num_answers']} answers. "
        "Means over patients with 95 % intervals of a bootstrap over patients. Research software.",
        "## Figures",
        _table(["figure", "value", "95 % interval", "samples", "patients"], _figure_rows(content["figures"])),
        "## Does it listen?",
        "Dice with what the datalist's expression means, whatever was asked; expressions with a target.",
        _table(["wording", "Dice", "Dice, images with ≥ 2 lesions", "found"], _wording_rows(content["wordings"])),
        "## Is there a target?",
        _existence_text(content["existence"]),
        "## Referring scores",
        "Over samples, not patients, as published tables have them. `dice`, `miou`, `giou`: per sample, empty targets "
        "as in GRES. `ciou`, `oiou`: pooled. `precision_at_*`: samples with a target.",
        _table(["score", "value"], [[f"`{key}`", _number(value)] for key, value in content["scores"].items()]),
    ]
    for name, groups in content["groups"].items():
        rows = [[group, *_cells(both["dice"]), _number(both["pointing"]["value"])] for group, both in groups.items()]
        parts += [
            f"## Dice by {_GROUP_TITLES[name]}",
            _table(["", "Dice", "95 % interval", "samples", "pointing"], rows),
        ]
    parts += ["## Calibration", _calibration_text(content["calibration"])]
    if content["pictures"]:
        parts.append("## Pictures")
        parts += [f"![{caption}]({file})\n\n{caption}" for file, caption in content["pictures"].items()]
    if content["skipped"]:
        parts += [f"## Left out: {len(content['skipped'])} images", "\n".join(f"- {x}" for x in content["skipped"])]
    parts += ["## How each figure is counted", "\n".join(f"- **{title}**: {how}." for title, how in FIGURES.values())]
    return "\n\n".join(parts) + "\n"


def _figure_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    return [
        [title, _number(figure["value"]), _interval(figure), str(figure["num_samples"]), str(figure["num_patients"])]
        for name, (title, _) in FIGURES.items()
        for figure in [figures[name]]
    ]


def _wording_rows(wordings: Mapping[str, Any]) -> list[list[str]]:
    keys = ("dice", "dice_named", "found_rate")
    return [
        [title, *(_number(wordings[name][key]["value"]) for key in keys)]
        for name, title in _WORDINGS.items()
        if name in wordings
    ]


def _existence_text(existence: Mapping[str, Any]) -> str:
    chosen = "given" if existence["threshold_is_given"] else "the highest that 95 % of the targets here reach"
    return (
        f"AUROC of the existence score {_number(existence['auroc'])}, {existence['num_targets']} expressions with and "
        f"{existence['num_without']} without a target. "
        f"At the threshold {_number(existence['threshold'], 6)} ({chosen}): "
        f"T-acc {_number(existence['t_acc'])}, N-acc {_number(existence['n_acc'])}."
    )


def _calibration_text(calibration: Mapping[str, Any]) -> str:
    head = (
        f"{calibration['num_lesions']} marked lesions, right where most of one lies in the target. "
        f"Expected calibration error {_number(calibration['ece'])}, Brier score {_number(calibration['brier'])}."
    )
    rows = [
        [f"{b['low']:.1f}-{b['high']:.1f}", str(b["count"]), _number(b["confidence"]), _number(b["accuracy"])]
        for b in calibration["bins"]
    ]
    return "\n\n".join([head, _table(["confidence", "lesions", "mean confidence", "rate right"], rows)])


def _cells(figure: Mapping[str, Any]) -> list[str]:
    return [_number(figure["value"]), _interval(figure), str(figure["num_samples"])]


def _interval(figure: Mapping[str, Any], form: str = "{} to {}") -> str:
    return "" if figure["low"] is None else form.format(_number(figure["low"]), _number(figure["high"]))


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
