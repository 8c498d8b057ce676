# SPDX-License-Identifier: Apache-2.0
"""What a client may ask for: the expressions of a prompt, the parameters of a request, the format of the result."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

MAX_EXPRESSIONS = 16
SEPARATOR = ";"
EXTENSIONS = (".nii.gz", ".nii", ".nrrd")
DTYPES = ("uint8", "uint16", "int16", "float32")
# What the address of a request says, and what the server itself adds: a client's parameters may not replace it.
RESERVED = ("image", "model", "session", "description", "bundle_path", "image_path")


def split_prompt(prompt: Any) -> list[str]:
    """Split what a person typed into expressions: "the cyst; the calcified lesion" names two segments.

    Args:
        prompt: expressions, separated by semicolons.

    Returns:
        The expressions without empty and repeated ones, in their order.

    Raises:
        ValueError: if there is none, or more than 16.

    Example:
        >>> split_prompt("the cyst; ; the largest lesion;the cyst")
        ['the cyst', 'the largest lesion']
    """
    if not isinstance(prompt, str):
        raise ValueError(
            f"prompt must be a text that names a lesion, got {type(prompt).__name__}; for example: the cyst"
        )
    expressions = list(dict.fromkeys(part.strip() for part in prompt.split(SEPARATOR) if part.strip()))
    if not expressions:
        raise ValueError('prompt must name a lesion in words, got nothing; for example: "the largest cyst"')
    if len(expressions) > MAX_EXPRESSIONS:
        raise ValueError(f"prompt must hold at most {MAX_EXPRESSIONS} expressions, got {len(expressions)}; ask again")
    return expressions


def parse_parameters(text: str | None) -> dict[str, Any]:
    """Read the form field "params" of a request.

    Args:
        text: a JSON object.

    Raises:
        ValueError: if it is no JSON object, or names what only the server may choose, such as the file to read.
    """
    try:
        parameters = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"params must be a JSON object, it cannot be read: {error}") from None
    if not isinstance(parameters, dict):
        raise ValueError(
            f'params must be a JSON object such as {{"prompt": "the cyst"}}, got {type(parameters).__name__}'
        )
    refused = sorted(set(parameters) & set(RESERVED))
    if refused:
        raise ValueError(f"params may not hold {', '.join(refused)}: the address of the request says it; leave it out")
    return parameters


def result_format(request: Mapping[str, Any], image_name: str) -> tuple[str, str]:
    """Choose the file extension and voxel type of a result: what is asked for, else as the image, else NIfTI, uint8.

    Args:
        request: may hold "result_extension" and "result_dtype", as 3D Slicer and OHIF send them.
        image_name: file name of the image.

    Raises:
        ValueError: if one is not supported.
    """
    own = next((extension for extension in EXTENSIONS if image_name.lower().endswith(extension)), EXTENSIONS[0])
    extension = request.get("result_extension") or own
    dtype = request.get("result_dtype") or DTYPES[0]
    for name, value, allowed in (("result_extension", extension, EXTENSIONS), ("result_dtype", dtype, DTYPES)):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r:.40}")
    return extension, dtype


def refuse_stranger(origin: str | None, host: str, allowed: Sequence[str]) -> None:
    """Refuse what the page of another server asks for in a person's browser.

    Args:
        origin: where the page comes from, as the browser says; None from clients that are no browser.
        host: name and port of this server, as in the request.
        allowed: further origins.

    Raises:
        ValueError: if the page comes from elsewhere.
    """
    if origin and origin not in allowed and urlsplit(origin).netloc != host:
        raise ValueError(f"pages of {origin:.80} may not use this server; start it with --conf origins to allow them")


def refuse_path(name: str, values: Sequence[str]) -> None:
    """Refuse a name of a study, label or tag that could lead out of the studies folder.

    Raises:
        ValueError: if a value holds a slash, a backslash or "..".
    """
    for value in values:
        if "/" in value or "\\" in value or ".." in value:
            raise ValueError(f"{name} must be a plain name, got {value!r:.80}; paths are not accepted")
