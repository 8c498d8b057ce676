# SPDX-License-Identifier: Apache-2.0
"""The page at /lsms/: choose a study, scroll its slices, type an expression, see the contour."""

import secrets
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Body, HTTPException
from fastapi.responses import FileResponse, RedirectResponse, Response
from monailabel.interfaces.app import MONAILabelApp

from lib.answering import Answering
from lib.parameters import split_prompt
from lib.view import View
from lib.web import USER
from lsms_monai.answer import Answer
from lsms_monai.report import save_mask, slug

NUM_MASKS_KEPT = 64
FOLDER = Path(__file__).resolve().parents[1] / "page"
FILES = {"": "index.html", "page.js": "page.js", "page.css": "page.css"}
# The page loads nothing from elsewhere, and no other page may show it in a frame.
HEADERS = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'", "Cache-Control": "no-cache"}


class Masks:
    """The last masks that the page may download, as files under names that cannot be guessed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lsms_masks_")
        self._names: OrderedDict[str, str] = OrderedDict()

    def keep(self, study: str, answer: Answer, affine: Any) -> str:
        """Write a mask and give its key; the oldest is removed."""
        key = secrets.token_urlsafe(16)
        save_mask(self._path(key), answer.mask, affine)
        self._names[key] = f"{slug(study)}_{slug(answer.expression)}_seg.nii.gz"
        while len(self._names) > NUM_MASKS_KEPT:
            oldest, _ = self._names.popitem(last=False)
            self._path(oldest).unlink(missing_ok=True)
        return key

    def get(self, key: str) -> tuple[Path, str]:
        """File and name of a mask.

        Raises:
            KeyError: if there is none.
        """
        name = self._names[key]
        return self._path(key), name

    def _path(self, key: str) -> Path:
        return Path(self._folder.name) / f"{key}.nii.gz"


class Page:
    """The routes of the page.

    Args:
        app: knows the studies.
        answering: answers expressions about them.
    """

    def __init__(self, app: MONAILabelApp, answering: Answering) -> None:
        self.app = app
        self.answering = answering
        self.masks = Masks()

    def router(self) -> APIRouter:
        """The files of the page for everybody, the studies for whom MONAI Label lets in."""
        router = APIRouter(prefix="/lsms", tags=["Page"])
        router.add_api_route("", lambda: RedirectResponse("/lsms/"), include_in_schema=False)
        router.add_api_route("/", lambda: self.file(""), include_in_schema=False)
        router.add_api_route("/{name}", self.file, include_in_schema=False)
        for path, route, method in (
            ("studies", self.studies, "GET"),
            ("studies/{study}", self.study, "GET"),
            ("studies/{study}/slices/{number}", self.slice_png, "GET"),
            ("studies/{study}/answers", self.answers, "POST"),
            ("masks/{key}", self.mask, "GET"),
        ):
            router.add_api_route(f"/api/{path}", route, methods=[method], dependencies=[USER])
        return router

    def file(self, name: str) -> FileResponse:
        """A file of the page."""
        if name not in FILES:
            raise HTTPException(404, f"the page has no file {name:.80}")
        return FileResponse(FOLDER / FILES[name], headers=HEADERS)

    def studies(self) -> list[str]:
        """Names of all studies."""
        return sorted(self.app.datastore().list_images())

    def study(self, study: str) -> dict[str, Any]:
        """Number and size of the slices of a study."""
        return self._open(study)[1].to_dict()

    def slice_png(self, study: str, number: int, lower: float, upper: float) -> Response:
        """One axial slice as PNG, black at `lower` HU and white at `upper`, the patient's right on its left."""
        _, view = self._open(study)
        try:
            png = view.slice_png(number, lower, upper)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=600"})

    def answers(self, study: str, prompt: str = Body(embed=True)) -> dict[str, Any]:
        """Answer the expressions of a prompt, with their contours."""
        path, view = self._open(study)
        try:
            reply = self.answering.ask(path, split_prompt(prompt))
        except (ValueError, TypeError, OSError) as error:
            raise HTTPException(400, str(error).replace(path, "the image")) from error
        found = [
            {
                **answer.to_dict(),
                "side": view.side(answer),
                "largest_slice": view.largest_slice(answer.mask),
                "contours": view.contours(answer.mask),
                "mask": f"api/masks/{self.masks.keep(study, answer, reply.affine)}",
            }
            for answer in reply.answers
        ]
        return {"answers": found, "warnings": reply.warnings, "model": reply.model}

    def mask(self, key: str) -> FileResponse:
        """A mask that was just shown, as NIfTI."""
        try:
            path, name = self.masks.get(key)
        except KeyError:
            raise HTTPException(404, "this mask is no longer kept; ask again") from None
        return FileResponse(path, media_type="application/gzip", filename=name)

    def _open(self, study: str) -> tuple[str, View]:
        """Path and view of a study."""
        path = self.app.study_path(study)
        try:
            return path, View(*self.answering.read(path))
        except (ValueError, OSError) as error:
            raise HTTPException(400, f"{study} cannot be shown: {str(error).replace(path, 'the image')}") from error
