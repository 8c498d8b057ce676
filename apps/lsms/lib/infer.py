# SPDX-License-Identifier: Apache-2.0
"""Inference as MONAI Label sees it: a request in, a file and a JSON answer out."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from lib.answering import Answering
from lib.models import NEWEST
from lib.parameters import result_format, split_prompt
from lib.segments import label_map, write_label_map

DESCRIPTION = "Name a lesion in words (prompt) and get it as a named segment; semicolons separate several expressions"


class ExpressionInferTask(InferTask):
    """Segment what the "prompt" of a request names.

    3D Slicer shows "prompt" as an editable cell of its options, OHIF as a text field.

    Args:
        answering: answers expressions about images.
    """

    def __init__(self, answering: Answering) -> None:
        super().__init__(InferType.SEGMENTATION, {"lesion": 1}, 3, DESCRIPTION)
        self.answering = answering

    def config(self) -> dict[str, Any]:
        """What a client may set: the prompt, and which weights answer."""
        return {"prompt": "", "weights": [NEWEST, *self.answering.models.names()]}

    def is_valid(self) -> bool:
        """Whether MONAI Label may offer this task."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """
        Args:
            request: "image" (path), "prompt", and optionally "weights", "result_extension", "result_dtype".

        Returns:
            File with the label map, and the answer: "label_names" gives the value of each expression that was found.

        Raises:
            HTTPException: 400 with the reason, if image or parameters cannot be used.
        """
        start = time.time()
        path, weights = request["image"], request.get("weights")
        try:
            expressions = split_prompt(request.get("prompt"))
            extension, dtype = result_format(request, str(path))
            reply = self.answering.ask(path, expressions, weights if isinstance(weights, str) and weights else NEWEST)
        except (ValueError, TypeError, OSError) as error:
            raise HTTPException(400, _without_path(str(error), str(path))) from error
        labels, values, notes = label_map(reply.answers)
        content = {
            "label_names": values,
            "message": " ".join([reply.message(), *notes]),
            "answers": [answer.to_dict() for answer in reply.answers],
            "warnings": [*reply.warnings, *notes],
            "model": reply.model,
            "centroids": {},  # OHIF asks for it
            "latencies": {"total": round(time.time() - start, 2)},
        }
        return str(write_label_map(labels, reply.affine, extension, dtype)), content


def _without_path(message: str, path: str) -> str:
    """A message for the client, which need not know where the studies lie."""
    return message.replace(path, "the image")
