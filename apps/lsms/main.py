# SPDX-License-Identifier: Apache-2.0
"""A MONAI Label app: a radiologist types an expression and gets a named segment."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fastapi import HTTPException
from lib.answering import Answering
from lib.infer import ExpressionInferTask
from lib.models import Models
from lib.page import Page
from lib.score import DISAGREEMENT, ParaphraseDisagreement
from lib.train import PromptTrainTask
from lib.web import extend, inference_router
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.epistemic import Epistemic
from monailabel.tasks.activelearning.random import Random

import lsms_monai

logger = logging.getLogger(__name__)

NAME = "lsms"
DESCRIPTION = "Name a lesion in words, get exactly that lesion. Research software: not for diagnosis or treatment."


class LSMSApp(MONAILabelApp):
    """Serve a bundle.

    Args:
        app_dir: this folder.
        studies: folder of the studies, or address of a DICOMweb server.
        conf: "bundle": folder of the bundle; "model_dir": where fine-tuned weights go, `model/` in this folder without
            it; "device": cpu, cuda or cuda:N; "origins": other servers whose pages may use this one,
            separated by blanks.
    """

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        model_dir = Path(conf.get("model_dir") or Path(app_dir) / "model")
        self.models = Models(conf.get("bundle") or "bundle", model_dir.absolute(), conf.get("device"))
        self.answering = Answering(self.models)
        super().__init__(app_dir, studies, conf, name="LSMS", description=DESCRIPTION, version=lsms_monai.__version__)

    def init_infers(self) -> dict[str, InferTask]:
        """The model's name in every client."""
        return {NAME: ExpressionInferTask(self.answering)}

    def init_trainers(self) -> dict[str, TrainTask]:
        """Fine-tuning."""
        return {NAME: PromptTrainTask(self.models)}

    def init_strategies(self) -> dict[str, Strategy]:
        """How the next study to label is chosen."""
        uncertain = Epistemic(key=DISAGREEMENT, desc="Studies where the wording changes the answer come first")
        return {"random": Random(), "uncertain": uncertain}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """What the strategy "uncertain" reads."""
        return {DISAGREEMENT: ParaphraseDisagreement(self.answering)}

    def on_init_complete(self) -> None:
        """Load the shipped weights, so that a wrong bundle stops the server, and add the routes of this app."""
        from monailabel.app import app as server  # the server; processes that train or score have none

        self.models.predictor("shipped")
        routers = inference_router(self), Page(self, self.answering).router()
        extend(server, *routers, origins=self.conf.get("origins", "").split())
        super().on_init_complete()

    def bundle_path(self, model: str) -> str:
        """A folder for background processes to import from: always the bundle, never what a request says."""
        return str(self.models.bundle)

    def study_path(self, study: str) -> str:
        """File of a study.

        Raises:
            HTTPException: 404, if there is no such study.
        """
        known = study and not Path(study).exists() and study in self.datastore().list_images()
        path = self.datastore().get_image_uri(study) if known else ""
        if not path:
            raise HTTPException(404, f"there is no study {study!r:.80}; /datastore/?output=all lists them")
        return str(path)

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run inference on a study, or on a file that a client sent; on no other file of the server.

        Raises:
            HTTPException: 400 or 404 with the reason.
        """
        image, tag = str(request.get("image") or ""), str(request.get("label_tag") or "original")
        store = Path(self.sessions().store_path).resolve() if self.sessions() is not None else None
        if store is None or not Path(image).is_absolute() or not Path(image).resolve().is_relative_to(store):
            self.study_path(image)
        if not re.fullmatch(r"\w+", tag):
            raise HTTPException(400, f"label_tag must be a word such as original, got {tag!r:.40}")
        return super().infer({**request, "label_tag": tag}, datastore)

    def batch_infer(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Ask one expression of all studies; one that cannot be read does not stop the others."""

        def infer(one: dict[str, Any], store: Any) -> dict[str, Any]:
            try:
                return self.infer(one, store)
            except HTTPException as error:
                logger.warning("%s was left out: %s", one["image"], error.detail)
                return {"error": error.detail}

        # without a GPU, MONAI Label's own default divides by their number
        request = {**request, "multi_gpu": bool(request.get("multi_gpu")) and torch.cuda.is_available()}
        return self._batch_infer(request, datastore or self.datastore(), infer)
