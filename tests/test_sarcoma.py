# SPDX-License-Identifier: Apache-2.0
"""Conventional segmentation of real lesions: the data set, the overlays, and the comparison with DynUNet."""

import json
import logging
import sys

import make_sarcoma_set
import nibabel
import numpy as np
import pytest
import sarcoma
import torch
from click.testing import CliRunner
from monai.bundle import ConfigParser

from lsms_monai.data.datalist import load_datalist
from lsms_monai.keys import MEANT, NO_LESION

SPACING = [0.9, 1.1, 3.0]


def patient(number):
    """Arrays of one patient: three slices of noise with a bright square, which is the tumour."""
    image = np.random.default_rng(number).integers(-1000, 40, (3, 19, 23), dtype=np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[:, 5:12, 4 : 8 + number] = 1
    return {"img": np.where(label, 90, image), "lab": label, "z": np.array([2, 5, 9]), "spacing": np.array(SPACING)}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sts")
    for number in range(7):
        np.savez(folder / f"STS_{number:03d}.npz", **patient(number))
    return folder


def make(source, out):
    return CliRunner().invoke(make_sarcoma_set.main, [str(source), str(out)])


@pytest.fixture(scope="module")
def datalist(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("set") / "datalist.json"
    result = make(source, out)
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize("key", ["image", "label"])
def test_a_slice_lies_where_it_lay(datalist, key):
    entry = next(entry for entry in json.loads(datalist.read_text())["training"] if "_005_" in entry["image"])
    nifti, arrays = nibabel.load(datalist.parent / entry[key]), patient(int(entry["patient_id"][-3:]))
    array = arrays[{"image": "img", "label": "lab"}[key]][1]
    np.testing.assert_array_equal(np.asarray(nifti.dataobj)[..., 0], array.T)
    np.testing.assert_allclose(nifti.affine, [[-0.9, 0, 0, 0], [0, -1.1, 0, 0], [0, 0, 3, 5 * 3], [0, 0, 0, 1]])
    assert nibabel.aff2axcodes(nifti.affine) == ("L", "P", "S")


def test_patients_are_split_once_and_for_all_and_named_by_the_class(datalist, source, tmp_path):
    sections = {name: load_datalist(datalist, name) for name in ("training", "validation", "test")}
    assert {name: len({entry["patient_id"] for entry in part}) for name, part in sections.items()} == {
        "training": 4,
        "validation": 1,
        "test": 2,
    }
    assert {entry["expression"] for part in sections.values() for entry in part} == {"soft-tissue sarcoma"}
    make(source, tmp_path / "datalist.json")
    assert (tmp_path / "datalist.json").read_bytes() == datalist.read_bytes()


def test_a_folder_without_patients_is_refused(tmp_path):
    result = make(tmp_path / "nowhere", tmp_path / "datalist.json")
    assert result.exit_code == 1
    assert "nowhere must hold files STS_*.npz, got none; name the folder that has them" in result.output


WRONG = {
    "without_label": ({"lab": None}, "must be a npz file with img, lab, z, spacing, got an error: 'lab is not"),
    "other_shape": ({"lab": np.zeros((3, 19, 22), np.uint8)}, "must hold img and lab (z, y, x)"),
    "two_numbers": ({"spacing": np.ones(2)}, "z (z,) and spacing (3,) as numbers, got"),
    "text": ({"z": np.array(["$a", "b", "c"])}, "z <U2 (3,)"),
    "no_size": ({"spacing": np.zeros(3)}, "spacing must be above 0 and lab hold 0 and 1 alone, got [0.0, 0.0, 0.0]"),
    "other_label": ({"lab": np.full((3, 19, 23), 2)}, "and [2]"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named_and_nothing_is_written(tmp_path, change, message):
    arrays = {name: array for name, array in {**patient(1), **change}.items() if array is not None}
    np.savez(tmp_path / "STS_001.npz", **arrays)
    result = make(tmp_path, tmp_path / "out" / "datalist.json")
    assert result.exit_code == 1
    assert "STS_001: " in result.output
    assert message in result.output
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("size", [0, 7, 900])
def test_a_damaged_file_is_named(source, tmp_path, size):
    (tmp_path / "STS_004.npz").write_bytes((source / "STS_004.npz").read_bytes()[:size])
    result = make(tmp_path, tmp_path / "datalist.json")
    assert result.exit_code == 1
    assert "STS_004: must be a npz file" in result.output
    assert "copy it again" in result.output


def config(*names):
    parser = ConfigParser()
    parser.read_config([str(sarcoma.BUNDLE / "configs" / f"{name}.json") for name in names])
    return parser


def test_conventional_segmentation_is_a_setting_of_the_knobs():
    overlay = json.loads((sarcoma.BUNDLE / "configs" / "sarcoma.json").read_text())
    train = json.loads((sarcoma.BUNDLE / "configs" / "train.json").read_text())
    for key, value in overlay.items():
        assert key in train
        assert not str(value).startswith(("$", "@", "%"))


def test_dynunet_learns_from_the_same_samples_by_the_same_steps():
    parts = "train#data train#dataset train#dataloader train#preprocessing train#random_transforms validate#dataset"
    numbers = "optimizer lr_scheduler epochs epoch_length batch_size seed threshold batch_dice validate#key_metric"
    lsms, dynunet = config("train", "sarcoma"), config("train", "sarcoma", "dynunet")
    for part in (parts + " train#deterministic_transforms validate#postprocessing " + numbers).split():
        assert lsms[part] == dynunet[part]


def test_both_minimise_the_same():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 1, 13, 11, generator=generator)
    label = torch.where(torch.rand(3, 1, 13, 11, generator=generator) < 0.3, float(MEANT), float(NO_LESION))
    embeddings = {"pixel_embedding": torch.rand(3, 4, 4, 3), "sentence_embedding": torch.rand(3, 4)}
    output = {"logits": logits, **embeddings, "input_ids": torch.ones(3, 2)}
    ours = config("train", "sarcoma").get_parsed_content("loss")(output, label)
    theirs = config("train", "sarcoma", "dynunet").get_parsed_content("loss")(logits, label)
    torch.testing.assert_close(ours, theirs)


def test_both_are_trained_and_tested_by_the_configurations(datalist, tmp_path, monkeypatch, small_text_encoder):
    files, _ = sarcoma.MODELS["lsms"]
    small = {"network_def#text_encoder": small_text_encoder, "pretrained_text": False}
    monkeypatch.setitem(sarcoma.MODELS, "lsms", (files, small))
    settings = {"datalist": str(datalist), "epochs": 1, "image_size": [32, 32], "device": "$torch.device('cpu')"}
    dynunet, lsms = sarcoma.compare(["dynunet", "lsms"], tmp_path, settings)
    assert (dynunet["steps"], dynunet["batch_size"]) == (lsms["steps"], lsms["batch_size"]) == (2, 8)
    for record in (dynunet, lsms):
        assert (record["dice"]["num_patients"], record["dice"]["num_samples"]) == (2, 6)
        assert (tmp_path / record["model"] / "test" / "metrics.csv").is_file()
    difference = lsms["dice"]["value"] - dynunet["dice"]["value"]
    assert lsms["minus_dynunet"]["value"] == pytest.approx(difference)


def test_without_data_the_benchmark_says_how_to_make_it(tmp_path, capsys):
    with pytest.raises(SystemExit):
        sarcoma.main(["--datalist", str(tmp_path / "datalist.json")])
    assert "--datalist must be a file that tools/make_sarcoma_set.py wrote" in capsys.readouterr().err


def test_the_output_is_one_json_line_a_model(datalist, tmp_path, monkeypatch, capfd):
    def log_and_score(name, folder, settings):
        logging.getLogger("monai").warning("on the standard output")
        return {"model": name}, [("a", 0.5), ("b", 0.7)]

    handler = logging.StreamHandler(sys.stdout)
    monkeypatch.setattr(logging.getLogger("monai"), "handlers", [handler])
    monkeypatch.setattr(sarcoma, "measure", log_and_score)
    monkeypatch.setattr(sarcoma.torch, "set_num_threads", lambda number: None)
    try:
        sarcoma.main(["--datalist", str(datalist), "--output", str(tmp_path), "--models", "dynunet", "lsms"])
    finally:
        logging.disable(logging.NOTSET)
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [record["model"] for record in records] == ["dynunet", "lsms"]
    assert records[1]["minus_dynunet"]["value"] == 0
