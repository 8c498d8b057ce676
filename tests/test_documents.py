# SPDX-License-Identifier: Apache-2.0
"""What the documents say is what the tree holds: commands, paths, knobs, versions."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import knob_table
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MODEL_CARD = "bundle/docs/README.md"
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    MODEL_CARD,
    "bundle/docs/training_log.md",
    "docs/monai_deploy.md",
    "docs/monai_label.md",
]
BUNDLE_COMMANDS = {"run", "verify_metadata", "verify_net_in_out", "ckpt_export", "onnx_export"}
# Arguments of monai.bundle itself; every other one must be an id of the configuration.
BUNDLE_ARGUMENTS = set(
    "config_file meta_file filepath net_id ckpt_file input_shape use_trace tracking run_id hash_val hash_type".split()
)
OWN_FOLDERS = tuple("bundle/ lsms_monai/ apps/ tests/ tools/ benchmarks/ docs/ .ci/ .github/ configs/".split())


def read(path):
    return (REPOSITORY / path).read_text()


def commands(document, start):
    """Command lines in the fenced blocks of a document that begin with `start`, split into words."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", read(document), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith(start)]


def every(start):
    return [
        pytest.param(words, id=" ".join(words)[:70]) for document in DOCUMENTS for words in commands(document, start)
    ]


def options(words):
    return [word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")]


def config_files(words):
    value = words[words.index("--config_file") + 1]
    return [REPOSITORY / path for path in re.findall(r"[\w./-]+\.json", value)]


def has_id(config, name):
    for part in re.split("#|::", name):
        if not isinstance(config, dict) or part not in config:
            return False
        config = config[part]
    return True


@pytest.mark.parametrize("words", every("python -m monai.bundle"))
def test_bundle_commands_name_files_and_ids_that_exist(words):
    assert words[3] in BUNDLE_COMMANDS
    files = config_files(words) if "--config_file" in words else []
    assert all(path.is_file() for path in files)
    configs = [json.loads(path.read_text()) for path in files]
    overrides = set(options(words)) - BUNDLE_ARGUMENTS
    assert not [name for name in overrides if not any(has_id(config, name) for config in configs)]


@pytest.mark.parametrize("words", every("lsms "))
def test_lsms_commands_use_options_that_exist(words):
    from lsms_monai.cli import main

    command = main.commands[words[1]] if words[1] in main.commands else main
    known = {option for parameter in command.params for option in parameter.opts} | {"--version", "--help"}
    assert not [f"--{name}" for name in options(words) if f"--{name}" not in known]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z]+)", read(document), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document):
    named = [path for path in re.findall(r"`([\w./-]+)`", read(document)) if path.startswith(OWN_FOLDERS)]
    places = [REPOSITORY, REPOSITORY / "bundle"]
    assert not [path for path in named if not any((place / path).exists() for place in places)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_inside_the_repository_exist(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(document))
    assert not [link for link in links if not (REPOSITORY / document).parent.joinpath(link).exists()]


def test_the_table_of_knobs_equals_the_configurations():
    card = read(MODEL_CARD)
    assert knob_table.update(card) == card, "run: python tools/knob_table.py"


def test_a_knob_without_a_meaning_is_named():
    with pytest.raises(ValueError, match=r"each knob must have a row that says what it means, .*hu_window.* has none"):
        knob_table.update("# Knobs\n\n" + knob_table.HEAD + "\n\n")


def test_the_phantom_of_the_demo_has_the_lesions_that_the_demo_asks_for():
    from lsms_monai.data import phantom

    seed = int(re.search(r"^DEMO_SEED := (\d+)", read("Makefile"), re.MULTILINE)[1])
    lesions = phantom(np.random.default_rng((seed, 0))).lesions  # as write_phantoms seeds its first patient
    assert {(lesion.side, lesion.kind) for lesion in lesions} == {("right", "hyperdense"), ("left", "cyst")}


def test_there_is_one_version():
    from lsms_monai import __version__

    assert json.loads(read("bundle/configs/metadata.json"))["version"] == __version__
    assert re.search(r"^version: (.+)$", read("CITATION.cff"), re.MULTILINE)[1] == __version__
    assert re.search(r"^## \[(\d.+?)\]", read("CHANGELOG.md"), re.MULTILINE)[1] == __version__
    assert tomllib.loads(read("pyproject.toml"))["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "lsms_monai.__version__"
    }


def test_commit_hooks_and_dev_extra_pin_the_same_tools():
    hooks = set(re.findall(r"\[([\w-]+==[\d.]+)\]", read(".pre-commit-config.yaml")))
    assert hooks
    assert hooks <= set(tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]["dev"])
