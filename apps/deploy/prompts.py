# SPDX-License-Identifier: Apache-2.0
"""Where the expressions come from: the command line, the environment, or a file among the images."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROMPTS_FILE = "prompts.json"
PROMPTS_VARIABLE = "LSMS_PROMPTS"
_EXAMPLE = '{"prompts": ["the cyst in the left lobe"]}'
_KEYS = {"prompts": list, "series": str}


def read_prompts(folder: Path, given: Sequence[str] = ()) -> dict[str, Any]:
    """Find the expressions. A packaged application gets neither arguments nor environment, hence the file.

    Args:
        folder: the input folder, which may hold `prompts.json`.
        given: expressions of the command line; they come first, then the variable LSMS_PROMPTS (one expression a
            line), then the file.

    Returns:
        "prompts", and "series" where the file names one, whatever gives the expressions.

    Raises:
        ValueError: if there are none, or the file does not say what it should.
    """
    path = folder / PROMPTS_FILE
    content = _read_file(path) if path.is_file() else {}
    lines = [line for line in os.environ.get(PROMPTS_VARIABLE, "").splitlines() if line.strip()]
    if given or lines:
        return {**content, "prompts": list(given) or lines}
    if not content:
        raise ValueError(
            f"at least one expression is required, got no --prompt, no {PROMPTS_VARIABLE} and no {path}; "
            f"write for example {_EXAMPLE} into {PROMPTS_FILE}"
        )
    return content


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} must be JSON in UTF-8, got: {error}; write {_EXAMPLE}") from error
    content = {"prompts": content} if isinstance(content, list) else content
    if not isinstance(content, dict) or not content.get("prompts"):
        raise ValueError(f"{path.name} must hold at least one expression, got {content!r:.80}; write {_EXAMPLE}")
    for key, value in content.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]):
            raise ValueError(
                f'{path.name} may hold "prompts" (a list) and "series" (a UID), got {key!r}: {value!r:.80}'
            )
    return content
