# SPDX-License-Identifier: Apache-2.0
"""Bring the table of knobs in the model card up to date with the configurations; the meanings in it are kept."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
MODEL_CARD = BUNDLE / "docs" / "README.md"
HEAD = "| knob | train | inference | meaning |\n|---|---|---|---|\n"


def knobs(name: str) -> dict[str, str]:
    """Plain values at the top of a configuration, as JSON; what begins with $, @ or % is not plain."""
    config = json.loads((BUNDLE / "configs" / f"{name}.json").read_text())
    return {key: json.dumps(value) for key, value in config.items() if _is_plain(value)}


def update(card: str) -> str:
    """Write the knobs and their defaults into a model card.

    Raises:
        ValueError: if a knob has no row yet, and so no meaning.
    """
    before, _, after = card.partition(HEAD)
    table, _, rest = after.partition("\n\n")
    meanings = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+?) \|$", table, re.MULTILINE))
    train, inference = knobs("train"), knobs("inference")
    names = list(dict.fromkeys([*train, *inference]))
    unexplained = [name for name in names if name not in meanings]
    if unexplained:
        raise ValueError(
            f"each knob must have a row that says what it means, {', '.join(unexplained)} has none; add it"
        )
    rows = [f"| `{name}` |{_cell(train, name)}|{_cell(inference, name)}| {meanings[name]} |" for name in names]
    return before + HEAD + "\n".join(rows) + "\n\n" + rest


def main() -> None:
    """Update the model card of this checkout."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    MODEL_CARD.write_text(update(MODEL_CARD.read_text()))
    sys.stdout.write(f"{MODEL_CARD} is up to date\n")


def _is_plain(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return not any(isinstance(part, (dict, list)) or str(part).startswith(("$", "@", "%")) for part in values)


def _cell(defaults: dict[str, str], name: str) -> str:
    return f" `{defaults[name]}` " if name in defaults else " "


if __name__ == "__main__":
    main()
