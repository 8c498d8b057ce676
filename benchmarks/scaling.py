# SPDX-License-Identifier: Apache-2.0
"""What an answer costs against image side, batch, slices and expressions: JSON lines, a power law each, a picture."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from latency import processor, time_all
from volume import EXPRESSIONS

from lsms_monai.data import phantom
from lsms_monai.networks import LSMS
from lsms_monai.predictor import BundlePredictor

SIDES, BATCHES, NUM_EXPRESSIONS = (64, 128, 192, 256, 384, 512), (1, 2, 4, 8, 16), (1, 2, 5, 10)
SLICES = (4, 16, 64)  # a single slice is not searched for lesions first: another program
TEXT_STAGES = {"all stages": (0, 1, 2, 3), "stages 2, 3": (2, 3), "stage 3": (3,)}
COLUMNS = 4  # of the picture
Calls = dict[int, tuple[Callable[..., Any], tuple[Any, ...]]]


def axes(bundle_dir: Path) -> dict[str, Calls]:
    """For each axis its values, each with a call and the arguments of it."""
    network = LSMS("tiny").eval()
    words = torch.arange(1000, 1012)[None]
    predictor = BundlePredictor(bundle_dir, "cpu")
    made = phantom(5, shape=(160, 160, max(SLICES)), num_lesions=4)

    def predict(num_slices: int, num_expressions: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        image = np.ascontiguousarray(made.image[..., around_lesions(made.labels, num_slices)])
        return predictor.predict, (image, made.affine, EXPRESSIONS[:num_expressions])

    def ask(text_stages: Sequence[int]) -> Calls:
        asked, image = LSMS("tiny", text_stages=text_stages).eval(), torch.rand(1, 1, 160, 160)
        return {number: (asked, (image, words.expand(number, -1))) for number in NUM_EXPRESSIONS}

    return {
        "image side": {side: (network, (torch.rand(1, 1, side, side), words)) for side in SIDES},
        "batch": {batch: (network, (torch.rand(batch, 1, 160, 160), words)) for batch in BATCHES},
        "slices": {number: predict(number, 1) for number in SLICES},
        "expressions": {number: predict(8, number) for number in NUM_EXPRESSIONS},
        **{f"expressions a slice, words in {name}": ask(stages) for name, stages in TEXT_STAGES.items()},
    }


def around_lesions(labels: np.ndarray, num_slices: int) -> slice:
    """Slices of a label map (W, H, D) around the one that shows most of the lesions.

    Where none shows a lesion, the search of a volume is all that it costs, whatever the number of expressions.
    """
    middle = int(np.count_nonzero(labels, axis=(0, 1)).argmax())
    first = min(max(middle - num_slices // 2, 0), labels.shape[2] - num_slices)
    return slice(first, first + num_slices)


def power(values: Sequence[float], ms: Sequence[float]) -> tuple[float, float]:
    """Factor a and exponent b of ms = a * value ** b, by least squares of the logarithms."""
    exponent, logarithm = np.polyfit(np.log(values), np.log(ms), 1)
    return float(np.exp(logarithm)), float(exponent)


def draw(found: dict[str, dict[int, float]], path: Path) -> None:
    """One panel an axis: what was measured, and its power law."""
    from matplotlib.figure import Figure

    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 3.2 * rows), layout="constrained")
    for number, (axis, ms) in enumerate(found.items(), start=1):
        panel = figure.add_subplot(rows, COLUMNS, number)
        factor, exponent = power(list(ms), list(ms.values()))
        panel.loglog(list(ms), list(ms.values()), "o", list(ms), [factor * value**exponent for value in ms], "-")
        panel.set_title(f"{axis}\nexponent {exponent:.2f}", fontsize="small")
        panel.set(xlabel=axis.partition(",")[0], ylabel="ms")
        panel.set_xticks(list(ms), [str(value) for value in ms])
        panel.set_yticks(list(ms.values()), [f"{value:.0f}" for value in ms.values()])
        panel.minorticks_off()
        panel.grid(visible=True, alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line an axis, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds over all values of an axis")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("--bundle", type=Path, default=Path("bundle"), help="folder of the bundle")
    parser.add_argument("--picture", type=Path, default=Path("runs/scaling.png"), help="where to draw")
    options = parser.parse_args(arguments)
    if min(options.repeats, options.threads) < 1:
        parser.error("--repeats and --threads must be positive")
    torch.set_num_threads(options.threads)
    found = {}
    for axis, calls in axes(options.bundle).items():
        with torch.inference_mode():
            times = time_all(calls, options.repeats, torch.device("cpu"))
        found[axis] = {value: statistics.median(ms) for value, ms in times.items()}
        exponent = power(list(found[axis]), list(found[axis].values()))[1]
        record = {"axis": axis, "ms": {value: round(ms, 1) for value, ms in found[axis].items()}}
        about = {"device": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
        sys.stdout.write(json.dumps({**record, "exponent": round(exponent, 2), **about}) + "\n")
    draw(found, options.picture)


if __name__ == "__main__":
    main()
