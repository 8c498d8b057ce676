# SPDX-License-Identifier: Apache-2.0
"""Makes the miniature trees importable, and gives a place to write to and a table."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "datalist.json"


@pytest.fixture
def table(tmp_path):
    """Write rows to a CSV file beside a CT and its lesions."""
    from trees import save, scan

    image, labels, _ = scan(1, 2)
    for name in ("a", "b"):
        save(tmp_path / "ct" / f"{name}.nii.gz", image)
        save(tmp_path / "ct" / f"{name}_lab.nii.gz", labels)

    def write(*rows, delimiter=","):
        (tmp_path / "table.csv").write_text("".join(delimiter.join(row) + "\n" for row in rows), encoding="utf-8-sig")
        return tmp_path / "table.csv"

    return write
