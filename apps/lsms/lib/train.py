# SPDX-License-Identifier: Apache-2.0
"""The clients' train button."""

import logging
from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.train import TrainTask

from lib.finetuning import Study, finetune, stats
from lib.models import NEWEST, SHIPPED, Models

logger = logging.getLogger(__name__)


class PromptTrainTask(TrainTask):
    """Fine-tune on every submitted label: (image, segment, what the segment's name says as the expression).

    MONAI Label runs it in a process of its own; the new weights become a new folder, which the server finds.

    Args:
        models: the weights to begin with, and where new ones go.
    """

    def __init__(self, models: Models) -> None:
        super().__init__("Fine-tune on submitted segments; a segment's name is the expression")
        self.models = models

    def config(self) -> dict[str, Any]:
        """What a client may set."""
        return {"max_epochs": 10, "val_split": 0.2, "learning_rate": 1e-4, "weights": [NEWEST, *self.models.names()]}

    def stats(self) -> dict[str, Any]:
        """What the last fine-tuning reached: clients show the metric and the epochs."""
        newest = self.models.names()[0]
        return {} if newest == SHIPPED else stats(self.models.folder(newest))

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """
        Args:
            request: may hold what `config` lists.
            datastore: the studies and their labels.

        Returns:
            Name of the new weights and what the training reached.

        Raises:
            ValueError: if there is nothing to learn from.
        """
        weights = request.get("weights")
        weights = weights if isinstance(weights, str) and weights else NEWEST
        start = self.models.folder(self.models.names()[0] if weights == NEWEST else weights)
        folder = finetune(
            start,
            self.models.bundle,
            self.models.finetuned_dir,
            saved_studies(datastore),
            epochs=int(request.get("max_epochs", 10)),
            learning_rate=float(request.get("learning_rate", 1e-4)),
            val_split=float(request.get("val_split", 0.2)),
            device=self.models.device,
        )
        return {"weights": folder.name, **stats(folder)}


def saved_studies(datastore: Datastore) -> list[Study]:
    """Give every study with a submitted label and named segments."""
    tag = DefaultLabelTag.FINAL
    studies = []
    for name in datastore.get_labeled_images():
        label = datastore.get_label_by_image_id(name, tag)
        info = datastore.get_label_info(label, tag).get("label_info") or []
        segments = [(str(entry["name"]), int(entry["idx"])) for entry in info if {"name", "idx"} <= set(entry)]
        if segments:
            studies.append(Study(name, datastore.get_image_uri(name), datastore.get_label_uri(label, tag), segments))
        else:
            logger.info("the label of %s is left out: it has no named segments", name)
    return studies
