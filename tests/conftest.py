# SPDX-License-Identifier: Apache-2.0
"""What every test may rely on: no network, two threads, a small text encoder, and real CT where there is some."""

import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("LSMS_DATA", REPOSITORY.parent / "shared" / "data"))


def pytest_collection_modifyitems(items):
    """Sockets are blocked for every test but those that say they need the network."""
    for item in items:
        if item.get_closest_marker("network"):
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="session")
def repository():
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def bert():
    """The settings of a small BERT with a vocabulary of 199."""
    return {
        "vocab_size": 199,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 32,
    }


@pytest.fixture(scope="session")
def small_text_encoder(bert):
    """The same with the vocabulary of the bundle's tokenizer."""
    return {**bert, "vocab_size": 30522}


@pytest.fixture(scope="session")
def run_config(small_text_encoder):
    """A function that runs configurations of the bundle on the CPU with a small text encoder, and gives the parser."""
    from monai.bundle import ConfigWorkflow

    small = {"network_def#text_encoder": small_text_encoder, "device": "$torch.device('cpu')"}
    one_worker = {f"{part}#dataset#num_workers": 1 for part in ("train", "validate")}
    training = {"pretrained_text": False, "image_size": [64, 64], **one_worker}

    def run(*names, **overrides):
        files = [str(REPOSITORY / "bundle" / "configs" / f"{name}.json") for name in names]
        kind = "infer" if names[0] == "inference" else "train"
        settings = {**small, **(training if kind == "train" else {}), **overrides}
        workflow = ConfigWorkflow(files, workflow_type=kind, logging_file=False, **settings)
        workflow.initialize()
        assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()
        return workflow.parser

    return run


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory, small_text_encoder):
    """The folder of a bundle with the repository's configurations, a small text encoder and random weights."""
    import torch
    from monai.bundle import ConfigParser

    folder = tmp_path_factory.mktemp("small") / "lsms"
    shutil.copytree(REPOSITORY / "bundle" / "configs", folder / "configs")
    (folder / "models").mkdir()
    for name in ("train", "inference"):
        path = folder / "configs" / f"{name}.json"
        config = json.loads(path.read_text())
        config["network_def"]["text_encoder"] = small_text_encoder
        if name == "train":
            config["image_size"] = [64, 64]
            config["train"]["dataset"]["num_workers"] = config["validate"]["dataset"]["num_workers"] = 1
        path.write_text(json.dumps(config))
    torch.manual_seed(0)
    network = ConfigParser(json.loads(path.read_text())).get_parsed_content("network_def")
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real CT data; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real CT data is not at {SHARED_DATA}; set LSMS_DATA to the folder that holds it")
    return SHARED_DATA
