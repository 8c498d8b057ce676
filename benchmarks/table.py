# SPDX-License-Identifier: Apache-2.0
"""Make a table for the model card from the JSON lines of a benchmark.

    .venv/bin/python benchmarks/latency.py --size 224 | .venv/bin/python benchmarks/table.py

What is the same in every line, such as the machine, stands once below the table.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any


def table(lines: Iterable[str]) -> str:
    """Write JSON lines as a Markdown table.

    Args:
        lines: one JSON object each; empty ones are passed over.

    Returns:
        A row a line and a column a key, in the order in which they come, a value of several by commas; below it the
        keys whose value all lines share. A single line is a row of all it says.

    Raises:
        ValueError: if a line is no JSON object, or there is none.
    """
    records = [_record(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not records:
        raise ValueError("JSON lines are required, got none; send the output of a benchmark to this command")
    keys = dict.fromkeys(key for record in records for key in record)
    shared = {key for key in keys if len(records) > 1 and len({_text(record.get(key)) for record in records}) == 1}
    columns = [key for key in keys if key not in shared]
    rows = [columns, ["---"] * len(columns), *([_text(record.get(key)) for key in columns] for record in records)]
    below = "; ".join(f"{key} {text}" for key in keys if key in shared and (text := _text(records[0].get(key))))
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{text}\n\n{below}" if below else text


def _record(number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        record = None
    if not isinstance(record, dict):
        raise ValueError(f"line {number} must be a JSON object, got {line.strip()!r:.80}; send the JSON lines alone")
    return record


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value).replace("|", "\\|")


def main() -> None:
    """Read the standard input, print the table."""
    try:
        sys.stdout.write(table(sys.stdin) + "\n")
    except ValueError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
