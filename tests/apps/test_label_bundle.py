# SPDX-License-Identifier: Apache-2.0
"""What MONAI Label takes from the bundle, without MONAI Label: files, ids, and how it overrides a training."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

CONFIGS = Path(__file__).resolve().parents[2] / "bundle" / "configs"
MODE_WORDS = ("deepedit", "deepgrow", "detection", "classification")


def read(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["inference", "train"])
def test_no_text_of_a_client_reaches_the_configuration(name):
    assert "displayable_configs" not in (CONFIGS / f"{name}.json").read_text()


def test_the_configuration_has_the_ids_that_monai_label_asks_for():
    assert {"network_def", "preprocessing", "inferer", "postprocessing", "device"} <= set(read("inference"))
    assert {"network", "device", "train", "validate"} <= set(read("train"))
    assert isinstance(read("train")["train"]["handlers"], list)


def test_no_word_in_the_name_switches_the_mode_of_monai_label():
    assert not [word for word in MODE_WORDS if word in read("metadata")["name"].lower()]


def test_the_keys_are_those_that_monai_label_reads():
    data = read("metadata")["network_data_format"]
    assert next(iter(data["inputs"])) == "image"
    assert next(iter(data["outputs"])) == "pred"
    assert data["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "lesion"}


def write_pair(folder, name):
    image, label = np.full((48, 40, 3), 100, np.int16), np.zeros((48, 40, 3), np.uint8)
    label[10:20, 10:20, 1], image[10:20, 10:20, 1] = 1, 40
    entry = {key: str(folder / f"{name}_{key}.nii.gz") for key in ("image", "label")}
    for key, array in (("image", image), ("label", label)):
        nibabel.save(nibabel.Nifti1Image(array, np.diag((-2, -2, 5, 1))), entry[key])
    return entry


def test_a_training_runs_with_the_ids_that_monai_label_overrides(run_config, small_bundle, tmp_path):
    handlers = read("train")["train"]["handlers"]
    start = str(small_bundle / "models" / "model.pt")
    loader = {"_target_": "CheckpointLoader", "load_path": start, "load_dict": {"model": "$@network"}}
    overrides = {
        "bundle_root": str(CONFIGS.parent),
        "train#trainer#max_epochs": 1,
        "train#dataset#data": [write_pair(tmp_path, name) for name in "ab"],  # image and label, nothing else
        "validate#dataset#data": [write_pair(tmp_path, "c")],
        "device": "cpu",
        "train#handlers": [{**loader, "strict": False}, *handlers],
    }
    run_config("train", **overrides, output_dir=str(tmp_path / "run"))
    assert (tmp_path / "run" / "model.pt").is_file()
