# SPDX-License-Identifier: Apache-2.0
"""Makes listeners.py importable, and gives paraphrases that are known."""

import sys
from pathlib import Path

import pytest

from lsms_monai.data import rewording

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def paraphrased(monkeypatch):
    """One paraphrase of every expression: "show" and the words."""
    monkeypatch.setattr(rewording, "paraphrases", lambda text, generator, n, held_out=True: [f"show {text}"][:n])
