# SPDX-License-Identifier: Apache-2.0
"""The shipped bundle and the fine-tuned ones: the newest that loads answers."""

import logging
import threading
from pathlib import Path

from lsms_monai.predictor import BundlePredictor

logger = logging.getLogger(__name__)

SHIPPED, NEWEST = "shipped", "newest"


class Models:
    """Give the predictor of a set of weights, each loaded once and strictly.

    Fine-tuned weights are bundles of their own in `finetuned_dir`, one folder each, named by the time they were made.
    The shipped bundle is never written to. One that does not load is left out, so that the one before it goes on
    answering.

    Args:
        bundle: folder of the shipped bundle.
        finetuned_dir: folder of the fine-tuned ones; need not exist.
        device: "cpu", "cuda", "cuda:N", or None for what the bundle chooses.
    """

    def __init__(self, bundle: str | Path, finetuned_dir: str | Path, device: str | None = None) -> None:
        self.bundle = Path(bundle)
        self.finetuned_dir = Path(finetuned_dir)
        self.device = device
        self._loaded: dict[str, BundlePredictor] = {}
        self._broken: set[str] = set()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Names of all weights, newest first, the shipped ones last."""
        finetuned = [path.parent.parent.name for path in self.finetuned_dir.glob("[!.]*/models/model.pt")]
        return [*sorted(finetuned, reverse=True), SHIPPED]

    def folder(self, name: str) -> Path:
        """Folder of the bundle with these weights.

        Raises:
            ValueError: if there are no such weights.
        """
        if name not in self.names():
            raise ValueError(f"weights must be {NEWEST} or one of {', '.join(self.names())}, got {name!r:.80}")
        return self.bundle if name == SHIPPED else self.finetuned_dir / name

    def predictor(self, name: str = NEWEST) -> tuple[str, BundlePredictor]:
        """Give the name of the weights that answer, and their predictor.

        Args:
            name: which weights, or "newest".

        Raises:
            FileNotFoundError: if the shipped bundle is not complete.
            ValueError: if there are no such weights, or they do not fit the network.
        """
        with self._lock:
            if name != NEWEST:
                return name, self._load(name)
            for candidate in self.names()[:-1]:
                try:
                    if candidate not in self._broken:
                        return candidate, self._load(candidate)
                except (ValueError, OSError) as error:
                    self._broken.add(candidate)
                    logger.warning("fine-tuned weights %s are left out: %s", candidate, error)
            return SHIPPED, self._load(SHIPPED)

    def _load(self, name: str) -> BundlePredictor:
        folder = self.folder(name)
        if name not in self._loaded:
            predictor = BundlePredictor(folder, self.device)
            # the shipped weights and one other stay in memory
            self._loaded = {key: value for key, value in self._loaded.items() if key == SHIPPED} | {name: predictor}
        return self._loaded[name]
