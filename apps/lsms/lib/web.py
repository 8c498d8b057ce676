# SPDX-License-Identifier: Apache-2.0
"""What the app adds to MONAI Label's server: a guarded door for inference, errors in words, and the page at /lsms/."""

import json
import logging
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse
from monailabel.config import settings
from monailabel.endpoints.infer import ResultType, run_inference
from monailabel.endpoints.user.auth import RBAC
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException, MONAILabelException
from starlette.middleware.base import BaseHTTPMiddleware

from lib.parameters import parse_parameters, refuse_path, refuse_stranger

logger = logging.getLogger(__name__)

USER = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))
_NAMES = ("image", "id", "label", "tag", "session_id")


def extend(server: FastAPI, *routers: APIRouter, origins: Sequence[str] = ()) -> None:
    """Put routes before MONAI Label's own, and answer every error with a reason.

    Args:
        server: MONAI Label's server, already started.
        routers: the routes to add.
        origins: other servers whose pages may use this one; MONAI Label itself lets all of them.
    """
    own = len(server.router.routes)
    for router in routers:
        server.include_router(router)
    routes = server.router.routes
    routes[:] = routes[own:] + routes[:own]
    server.middleware_stack = None  # built again with what follows, at the next request
    server.add_middleware(BaseHTTPMiddleware, dispatch=_refuse_paths)
    server.add_middleware(BaseHTTPMiddleware, dispatch=partial(_refuse_strangers, origins=origins))
    server.add_exception_handler(MONAILabelException, _label_error)
    server.add_exception_handler(json.JSONDecodeError, _json_error)
    server.add_exception_handler(Exception, _other_error)


def inference_router(app: MONAILabelApp) -> APIRouter:
    """Make the route that replaces MONAI Label's `POST /infer/NAME`.

    It runs in a thread, so that the server answers others meanwhile, and reads no file but a study or what was sent.
    """
    router = APIRouter(tags=["Infer"])

    @router.post("/infer/{model}", dependencies=[USER])
    def infer(
        background_tasks: BackgroundTasks,
        model: str,
        image: str = "",
        session_id: str = "",
        params: str = Form("{}"),
        file: UploadFile | None = File(None),  # noqa: B008
        output: ResultType | None = None,
    ) -> Any:
        """Segment what the expression in params names: {"prompt": "the cyst in the left lobe"}."""
        try:
            parameters = parse_parameters(params)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        if file is not None:
            session_id = _as_session(app, file)
            background_tasks.add_task(app.sessions().remove_session, session_id)
        elif not image and not session_id:
            raise HTTPException(400, "a request must name a study (?image=ID) or send a file, got neither")
        parameters = json.dumps(parameters)
        try:
            return run_inference(background_tasks, model, image, session_id, parameters, None, None, output)
        except Exception:
            if file is not None:  # background tasks follow an answer, not an error
                app.sessions().remove_session(session_id)
            raise

    return router


def _as_session(app: MONAILabelApp, file: UploadFile) -> str:
    """Keep a file that was sent as a session, the only place beside the studies that images are read from."""
    if app.sessions() is None:
        raise HTTPException(400, "this server takes no files (sessions are switched off); name a study by ?image=ID")
    folder = Path(tempfile.mkdtemp(prefix="lsms_"))
    path = folder / (Path(file.filename or "").name or "image.nii.gz")
    with path.open("wb") as target:
        while chunk := file.file.read(1 << 20):
            target.write(chunk)
    session_id, _ = app.sessions().add_session(str(path))
    folder.rmdir()
    return session_id


async def _refuse_paths(request: Request, call_next: Any) -> Any:
    """Refuse names that are paths, and archives to unpack, before MONAI Label's own routes see them."""
    try:
        for name in _NAMES:
            refuse_path(name, request.query_params.getlist(name))
        if request.query_params.get("uncompress", "false").lower() not in ("false", "0", "no", ""):
            raise ValueError("uncompress is not supported, since an archive may hold paths; send the files themselves")
    except ValueError as error:
        return JSONResponse({"detail": str(error)}, 400)
    return await call_next(request)


async def _refuse_strangers(request: Request, call_next: Any, origins: Sequence[str]) -> Any:
    """Refuse pages of other servers, which a person may have open in the same browser."""
    try:
        refuse_stranger(request.headers.get("origin"), request.headers.get("host", ""), origins)
    except ValueError as error:
        return JSONResponse({"detail": str(error)}, 403)
    return await call_next(request)


def _label_error(_: Request, error: MONAILabelException) -> JSONResponse:
    missing = isinstance(error, ImageNotFoundException | LabelNotFoundException)
    return JSONResponse({"detail": error.msg}, 404 if missing else 400)


def _json_error(_: Request, error: json.JSONDecodeError) -> JSONResponse:
    return JSONResponse({"detail": f"the request must hold JSON, it cannot be read: {error}"}, 400)


def _other_error(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": f"the server failed ({type(error).__name__}); its log says where"}, 500)
