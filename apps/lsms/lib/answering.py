# SPDX-License-Identifier: Apache-2.0
"""Answer expressions about a study: read the image once, ask one model at a time."""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.models import NEWEST, Models
from lsms_monai.answer import Answer
from lsms_monai.data import CTReader

NUM_IMAGES_KEPT = 2


@dataclass(frozen=True, eq=False)
class Reply:
    """Answers about one image.

    Args:
        image: intensities in HU, (W, H, D).
        affine: 4x4, voxel -> RAS mm.
        answers: one per expression.
        model: name, version and weights that answered.
        warnings: what a person should know, such as words that were not read.
    """

    image: np.ndarray
    affine: np.ndarray
    answers: list[Answer]
    model: dict[str, Any]
    warnings: list[str]

    def message(self) -> str:
        """Say in one paragraph what was found."""
        said = []
        for answer in self.answers:
            said += [f"“{answer.expression:.80}”: {answer.summary().rstrip('.')}.", answer.resolution]
            if answer.unknown_words:
                said.append(f"Words that are not known: {', '.join(answer.unknown_words)}.")
        return " ".join(text for text in [*said, *self.warnings] if text)


class Answering:
    """Ask the newest model about studies, one request after the other; images can be read meanwhile.

    Args:
        models: where the predictors come from.
    """

    def __init__(self, models: Models) -> None:
        self.models = models
        self._images: OrderedDict[tuple[str, int, int], tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._image_lock, self._model_lock = threading.Lock(), threading.Lock()

    def read(self, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
        """Read an image; the last ones stay in memory until their file changes.

        Args:
            path: a CT file, or the folder of one DICOM series.

        Returns:
            Intensities in HU (W, H, D) and affine, voxel -> RAS mm.

        Raises:
            OSError: if there is no such file, or it cannot be opened.
            ValueError: if it is not one CT whose left and right are known.
        """
        key = (str(path), *_version(Path(path)))
        with self._image_lock:
            if key not in self._images:
                reader = CTReader()
                image, meta = reader.get_data(reader.read(path))
                self._images[key] = (image, meta["affine"])
            self._images.move_to_end(key)
            while len(self._images) > NUM_IMAGES_KEPT:
                self._images.popitem(last=False)
            return self._images[key]

    def ask(self, path: str | Path, expressions: Sequence[str], weights: str = NEWEST) -> Reply:
        """Answer expressions about one image.

        Args:
            path: a CT file, or the folder of one DICOM series.
            expressions: what to look for, each in a person's words.
            weights: name of the weights, or "newest".

        Raises:
            OSError: if there is no such file, or it cannot be opened.
            ValueError: if image, expressions or weights cannot be used.
        """
        with self._model_lock, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            image, affine = self.read(path)
            name, predictor = self.models.predictor(weights)
            answers = predictor.predict(image, affine, expressions)
        ours = [str(warning.message) for warning in caught if "lsms_monai" in Path(warning.filename).parts]
        about = {key: predictor.metadata.get(key) for key in ("name", "version")}
        return Reply(image, affine, answers, {**about, "weights": name}, list(dict.fromkeys(ours)))


def _version(path: Path) -> tuple[int, int]:
    """Changes with a file, or with any file of a folder: how many there are, and when the last one was written."""
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    return len(files), max(file.stat().st_mtime_ns for file in files)
