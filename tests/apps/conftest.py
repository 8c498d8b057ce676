# SPDX-License-Identifier: Apache-2.0
"""Makes the stub bundle's network importable by its dotted name, and gives the bundle."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def stub_bundle(tmp_path):
    """The folder of a small bundle that knows two words, see stub.py."""
    from stub import write_bundle

    return write_bundle(tmp_path / "bundle")
