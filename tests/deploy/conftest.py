# SPDX-License-Identifier: Apache-2.0
"""These tests need MONAI Deploy, in an environment of its own: `make test-deploy`. Elsewhere none is collected."""

import importlib.util
import sys
from pathlib import Path

import pytest

HAS_DEPLOY = importlib.util.find_spec("holoscan") is not None
collect_ignore_glob = [] if HAS_DEPLOY else ["test_*.py"]
REPOSITORY = Path(__file__).resolve().parents[2]

if HAS_DEPLOY:
    sys.path[:0] = [str(REPOSITORY / "apps" / "deploy"), str(REPOSITORY / "tests" / "apps")]
    import _cudart  # noqa: F401 - before anything imports MONAI


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.deploy)


@pytest.fixture
def bundle(tmp_path):
    """The stub bundle: it knows what is dark and what is bright."""
    from stub import write_bundle

    return write_bundle(tmp_path / "models" / "lsms")


@pytest.fixture
def app(bundle, tmp_path, capfd):
    """Run the application on tmp_path / "in"; gives the exit status and the lines of standard error."""
    from app import main

    def run(*arguments):
        places = ("-i", tmp_path / "in", "-o", tmp_path / "out", "-m", bundle)
        status = main([str(argument) for argument in (*places, *arguments)])
        return status, capfd.readouterr().err.splitlines()

    return run
