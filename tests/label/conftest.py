# SPDX-License-Identifier: Apache-2.0
"""Real MONAI Label servers on 127.0.0.1, for tests that only talk to them. `make test-label` runs these tests."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

# `make test` has no MONAI Label and leaves this folder out.
collect_ignore_glob = [] if importlib.util.find_spec("monailabel") else ["*"]

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(REPOSITORY / "tests" / "apps")]


def pytest_collection_modifyitems(items):
    """Everything here needs MONAI Label and a socket."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.label)
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The repository's bundle, whose network is replaced by one that knows the words "dark" and "bright"."""
    import torch
    from stub import TwoWordNetwork

    folder = tmp_path_factory.mktemp("served") / "lsms"
    shutil.copytree(REPOSITORY / "bundle" / "configs", folder / "configs")
    path = folder / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["network_def"] = {"_target_": "stub.TwoWordNetwork"}
    path.write_text(json.dumps(config))
    (folder / "models").mkdir()
    torch.save(TwoWordNetwork().state_dict(), folder / "models" / "model.pt")
    return folder


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """A folder of studies: three whole ones and two that cannot be answered; see scenes.py."""
    from scenes import write_studies

    return write_studies(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def server(bundle, studies, tmp_path_factory):
    """Our app."""
    from serving import Server

    folder = tmp_path_factory.mktemp("server")
    conf = {"bundle": str(bundle), "model_dir": str(folder / "model"), "device": "cpu"}
    with Server(REPOSITORY / "apps" / "lsms", studies, conf, folder) as running:
        yield running
