# SPDX-License-Identifier: Apache-2.0
"""Active learning: a study is worth labelling when the answer changes with the wording of the same question."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from lib.answering import Answering
from lib.segments import disagreement
from lsms_monai.data.rewording import paraphrases

logger = logging.getLogger(__name__)

DISAGREEMENT = "disagreement"
DEFAULT_PROMPT = "the hypodense lesion"
NUM_WORDINGS = 3


class ParaphraseDisagreement(ScoringMethod):
    """Ask every study without a label the same question in several wordings, and store how far the masks differ.

    Args:
        answering: answers expressions about images.
    """

    def __init__(self, answering: Answering) -> None:
        super().__init__("Disagreement between wordings of one expression")
        self.answering = answering

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """
        Args:
            request: may hold "prompt", the expression to ask.
            datastore: the studies.

        Returns:
            How many studies were scored, left as they were, and could not be read.
        """
        prompt = request.get("prompt") or DEFAULT_PROMPT
        wordings = [prompt, *paraphrases(prompt, np.random.default_rng(0), NUM_WORDINGS)]
        if len(wordings) < 2:
            raise ValueError(f"scoring needs an expression that can be said in other words, got {prompt!r:.80}")
        start, counts = time.time(), {"executed": 0, "skipped": 0, "failed": 0}
        asked = {"prompt": prompt, "weights": self.answering.models.names()[0]}
        for image in datastore.get_unlabeled_images():
            if datastore.get_image_info(image).get("disagreement_of") == asked:
                counts["skipped"] += 1
                continue
            try:
                reply = self.answering.ask(datastore.get_image_uri(image), wordings)
            except (ValueError, OSError) as error:
                logger.warning("%s cannot be scored: %s", image, error)
                counts["failed"] += 1
                continue
            score = disagreement([answer.mask for answer in reply.answers])
            datastore.update_image_info(image, {DISAGREEMENT: score, "disagreement_of": asked})
            counts["executed"] += 1
        return {**counts, "latency": round(time.time() - start, 2)}
