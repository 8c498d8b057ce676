# SPDX-License-Identifier: Apache-2.0
"""The configurations as text: they parse, name what exists, hold every fact once, and keep to plain references."""

import ast
import json
from itertools import chain
from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from monai.utils.module import instantiate

CONFIGS = Path(__file__).resolve().parents[2] / "bundle" / "configs"
SETS = {
    "training": ["train"],
    "evaluating": ["train", "evaluate"],
    "multi_gpu": ["train", "multi_gpu_train"],
    "sarcoma": ["train", "sarcoma", "evaluate"],
    "dynunet": ["train", "sarcoma", "dynunet", "evaluate"],
    "inferring": ["inference"],
    "inferring_trt": ["inference", "inference_trt"],
}
OVERLAYS = {"evaluate": "train", "multi_gpu_train": "train", "sarcoma": "train", "dynunet": "train"}
OVERLAYS["inference_trt"] = "inference"
# The device and the place of the bundle are idioms of the model zoo.
IDIOMS = ("$torch.device(", "$'bundle' if os.path.isdir(")
KNOB_TYPES = (str, int, float, bool, list, type(None))
WORKFLOW_IDS = ("run", "training", "evaluating", "inferring", "initialize", "finalize", "imports")
MIRRORING = ("Flip", "Rotate90", "Rot90", "Transpose")


def read(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


def walk(value, path=""):
    """Every (path, value) of a configuration, leaves and containers."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from walk(item, f"{path}#{key}" if path else str(key))


def strings(name):
    return [(path, value) for path, value in walk(read(name)) if isinstance(value, str)]


def files(names):
    return [str(CONFIGS / f"{name}.json") for name in names]


def is_knob(value):
    return isinstance(value, KNOB_TYPES) and not (isinstance(value, str) and value[:1] in ("$", "@", "%"))


def test_all_configurations_are_tested():
    assert sorted(path.stem for path in CONFIGS.glob("*.json")) == sorted({*chain(*SETS.values()), "metadata"})


@pytest.mark.parametrize("names", SETS.values(), ids=SETS)
def test_every_target_exists(names):
    parser = ConfigParser()
    parser.read_config(files(names))
    targets = {value for path, value in walk(parser.get()) if path.endswith("_target_")}
    assert len(targets) > 15
    for target in sorted(targets):
        component = target if "." in target else parser.locator.get_component_module_name(target)
        assert component, f"{target} is not found"
        found = component if isinstance(component, str) else component[0]
        assert instantiate(found if "." in target else f"{found}.{target}", "callable") is not None


@pytest.mark.parametrize("name", ["train", "inference", *OVERLAYS])
def test_expressions_are_short_and_call_at_most_one_thing(name):
    found = [text for _, text in strings(name) if text.startswith("$") and not text.startswith(IDIOMS)]
    assert found or name == "sarcoma"  # knobs alone
    for text in found:
        if text.startswith("$import "):
            continue
        nodes = list(ast.walk(ast.parse(text[1:].replace("@", "").replace("#", "."))))
        assert len(text) <= 72, text
        assert sum(isinstance(node, ast.Call) for node in nodes) <= 1, text
        assert not any(isinstance(node, (ast.Lambda, ast.ListComp, ast.DictComp, ast.IfExp)) for node in nodes), text


@pytest.mark.parametrize(("name", "base"), OVERLAYS.items())
def test_overlays_hold_only_differences(name, base):
    base = ConfigParser(read(base))
    for key, value in read(name).items():
        assert key not in base or base.get(key) != value, f"{name}.json repeats {key}"


def test_training_and_inference_share_the_network_and_the_knobs_of_the_image():
    train, inference = read("train"), read("inference")
    shared = {key for key in inference if is_knob(inference[key]) and key in train} - set(WORKFLOW_IDS) - {"handlers"}
    own = {"output_dir", "expression"}
    assert {"hu_window", "spacing", "num_adjacent", "max_length", "variant", "threshold"} <= shared
    assert {key for key in shared if train[key] != inference[key]} <= own
    assert train["network_def"] == {**inference["network_def"], "use_checkpoint": "@use_checkpoint"}


@pytest.mark.parametrize("name", ["train", "inference"])
def test_no_key_is_dead(name):
    config = read(name)
    text = json.dumps(config)
    properties = {"network_def", "dataset_dir", "bundle_root", "device", "existence_threshold"}
    for key in config:
        is_used = any(mark + key in text for mark in ("@", "%")) or key in WORKFLOW_IDS or key in properties
        assert is_used, f"{name}.json: nothing refers to {key}"


def test_random_transforms_never_mirror_without_the_words():
    steps = read("train")["train"]["random_transforms"]
    names = [step["_target_"] for step in steps if isinstance(step, dict)]
    assert names[0] == "lsms_monai.transforms.RandMirrord"  # before the words become tokens
    assert read("train")["train"]["deterministic_transforms"][-1] == "@select_expression"  # there are words to mirror
    assert steps[-1] == "@tokenize"
    assert not any(mirror in name for name in names for mirror in MIRRORING)


@pytest.mark.parametrize("name", ["train", "inference"])
def test_the_expression_of_the_configuration_is_only_a_default(name):
    allowed = ("default", "expression")
    uses = [path for path, value in strings(name) if "@expression" in value]
    assert uses
    assert all(path.rsplit("#", 1)[-1] in allowed for path in uses)
    assert not any("displayable" in path for path, _ in walk(read(name)))


def test_the_metadata_state_what_the_knobs_say():
    metadata, inference = read("metadata"), read("inference")
    formats = metadata["network_data_format"]
    assert formats["inputs"]["image"]["num_channels"] == 2 * inference["num_adjacent"] + 1
    assert list(formats["inputs"]) == ["image"]
    assert list(formats["outputs"]) == ["pred"]
    assert metadata["version"] in metadata["changelog"]
