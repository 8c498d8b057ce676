# SPDX-License-Identifier: Apache-2.0
"""Three plots of an evaluation, by matplotlib, which the "evaluate" extra installs."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lsms_monai.evaluation.records import Record
from lsms_monai.evaluation.summary import SIZES_MM, STRATA, size_stratum

_COLOURS = {"matched": "#1b6ca8", "shuffled": "#d1495b", "empty": "#8d99ae", "contradicted": "#edae49"}

_TICKS_MM = (3, 5, 10, 20, 40, 80, 160)


def require_matplotlib() -> None:
    """Refuse before a long computation what could not be drawn after it.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ImportError(
            "the plots require matplotlib, it is not installed; run `pip install 'lsms-monai[evaluate]'`, or leave the "
            "plots out by --no-plots"
        )


def draw_plots(folder: Path, records: Sequence[Record], content: dict[str, Any]) -> dict[str, str]:
    """Write Dice by wording, Dice by lesion size and the calibration; what has no data is left out.

    Args:
        folder: an existing folder.
        records: of one evaluation.
        content: what `summarize` made of them.

    Returns:
        File and caption of each plot.
    """
    target = [record for record in records if record.has_target]
    drawn = {}
    if target:
        _by_wording(folder / "dice_by_wording.png", target)
        drawn["dice_by_wording.png"] = (
            "Dice with the named lesions: the further the curves lie apart, the more words count"
        )
    if any(size_stratum(record) for record in target):
        _by_size(folder / "dice_by_size.png", [r for r in target if r.wording == "matched"], content["groups"]["size"])
        drawn["dice_by_size.png"] = "Dice by diameter of the one lesion that is meant, with the mean of each stratum"
    if content["calibration"]["bins"]:
        _calibration(folder / "calibration.png", content["calibration"])
        drawn["calibration.png"] = "How often a marked lesion is right, against its confidence"
    return drawn


def _figure(title: str, x: str, y: str) -> tuple[Any, Any]:
    # without pyplot: no window, no state that outlives the figure; it draws by the Agg backend
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _by_wording(path: Path, target: Sequence[Record]) -> None:
    figure, axes = _figure("Does it listen?", "Dice", "rate of expressions with at most this Dice")
    for wording, colour in _COLOURS.items():
        dice = sorted(record.dice for record in target if record.wording == wording)
        if dice:
            axes.ecdf(dice, label=f"{wording}, mean {sum(dice) / len(dice):.2f}", color=colour)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path)


def _by_size(path: Path, matched: Sequence[Record], strata: dict[str, Any]) -> None:
    figure, axes = _figure("Dice by lesion size", "diameter in mm", "Dice")
    drawn = [record for record in matched if size_stratum(record)]
    axes.scatter([r.diameter_mm for r in drawn], [r.dice for r in drawn], s=9, alpha=0.5, color=_COLOURS["matched"])
    limits = (_TICKS_MM[0], *SIZES_MM, _TICKS_MM[-1])
    for name, *ends in zip(STRATA, limits, limits[1:], strict=False):
        if name in strata:
            axes.plot(ends, [strata[name]["dice"]["value"]] * 2, color=_COLOURS["shuffled"], linewidth=2)
    axes.set_xscale("log")
    axes.set_xticks(_TICKS_MM, [str(tick) for tick in _TICKS_MM])
    axes.minorticks_off()
    axes.set(xlim=(_TICKS_MM[0], _TICKS_MM[-1]), ylim=(-0.02, 1.02))
    figure.savefig(path)


def _calibration(path: Path, calibration: dict[str, Any]) -> None:
    title = f"Calibration of {calibration['num_lesions']} marked lesions, ECE {calibration['ece']:.2f}"
    figure, axes = _figure(title, "confidence", "rate of right lesions")
    bins = calibration["bins"]
    axes.plot([0, 1], [0, 1], color=_COLOURS["empty"], linestyle="--")
    axes.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], marker="o", color=_COLOURS["matched"])
    for b in bins:
        axes.annotate(str(b["count"]), (b["confidence"], b["accuracy"]), xytext=(4, -10), textcoords="offset points")
    axes.set(xlim=(-0.02, 1.05), ylim=(-0.05, 1.05))
    figure.savefig(path)
