# SPDX-License-Identifier: Apache-2.0
"""Write what the shipped weights answer in float32 on some phantoms, for the test that a change leaves it as it is.

    .venv/bin/python benchmarks/golden.py

Run it when weights or the meaning of an answer change on purpose, not to make a test pass.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from agreement import variant

from lsms_monai.data import phantom, sample_expressions
from lsms_monai.onnx_network import weights_hash

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "golden"
SHAPES = {(256, 256, 1): (1.5, 1.5, 5.0), (192, 160, 1): (2.0, 2.0, 5.0), (128, 96, 8): (3.0, 3.0, 8.0)}  # spacing
EXPRESSIONS_EACH = 4


def main() -> None:
    """Write `answers.json`, and `answers.npz` with the images in HU and the masks."""
    with TemporaryDirectory() as folder:
        predictor = variant(ROOT / "bundle", Path(folder, "bundle"), {"bfloat16": False})
    arrays: dict[str, np.ndarray] = {}
    cases: list[dict[str, Any]] = []
    for number, (shape, spacing) in enumerate(SHAPES.items()):
        generator = np.random.default_rng((93_000, number))
        made = phantom(generator, num_lesions=3, shape=shape, spacing=spacing)
        texts = [drawn.text for drawn in sample_expressions(made.lesions, generator, EXPRESSIONS_EACH)]
        texts = list(dict.fromkeys([*texts, "all lesions"]))
        image = np.rint(made.image).astype(np.int16)
        arrays[f"image_{number}"] = image
        for index, answer in enumerate(predictor.predict(image, made.affine, texts)):
            arrays[f"mask_{number}_{index}"] = np.packbits(answer.mask)
        cases.append({"affine": made.affine.tolist(), "expressions": texts})
    about = {"weights_sha256": weights_hash(ROOT / "bundle" / "models" / "model.pt"), "cases": cases}
    (FOLDER / "answers.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(FOLDER / "answers.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
