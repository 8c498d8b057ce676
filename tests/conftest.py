# SPDX-License-Identifier: Apache-2.0
"""What every test may rely on: no network, two threads, a phantom and a text encoder small enough for a unit test."""

import os
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
def shared_data():
    """The folder of real CT data; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real CT data is not at {SHARED_DATA}; set LSMS_DATA to the folder that holds it")
    return SHARED_DATA


@pytest.fixture(scope="session")
def phantom_slice():
    """One axial slice of a phantom with two lesions, always the same."""
    from lsms_monai.data.phantom import phantom

    return phantom(seed=0, shape=(96, 80, 1), spacing=(4.0, 4.0, 5.0), num_lesions=2)


@pytest.fixture
def tiny_bert_config():
    """The settings of a two-layer BERT that reads the ids of the packaged vocabulary."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
