# SPDX-License-Identifier: Apache-2.0
"""The configurations at work, on phantoms and with a text encoder small enough for a unit test."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import ResizeWithPadOrCrop

from lsms_monai.keys import MEANT, NO_LESION, NOT_MEANT, UNKNOWN
from lsms_monai.metrics import referring_scores

CONFIGS = Path(__file__).resolve().parents[2] / "bundle" / "configs"
SPACING = [5.0, 5.0, -1.0]
SMALL_TRAINING = {"num_phantoms": 20, "epochs": 1, "batch_size": 8, "spacing": SPACING}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def places(folder):
    return {"phantom_dir": str(folder / "phantom"), "output_dir": str(folder / "train")}


@pytest.fixture(scope="module")
def trained(run_config, places):
    return run_config("train", **SMALL_TRAINING, **places)


def test_training_writes_the_best_weights_and_a_checkpoint(trained, places):
    written = {path.name for path in Path(places["output_dir"]).iterdir()}
    assert {"model.pt", "checkpoint_epoch=1.pt"} <= written
    state = torch.load(Path(places["output_dir"]) / "model.pt", weights_only=True)
    assert list(state) == list(trained.get_parsed_content("network_def").state_dict())


def test_every_parameter_that_learns_is_in_the_optimizer(trained):
    network, optimizer = trained.get_parsed_content("network_def"), trained.get_parsed_content("optimizer")
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in network.parameters() if parameter.requires_grad)


def test_resume_goes_on_and_keeps_a_better_model(run_config, trained, places):
    folder = Path(places["output_dir"])
    state = torch.load(folder / "checkpoint_epoch=1.pt", weights_only=True)
    state["evaluator"]["best_metric"] = 2.0  # better than any Dice
    torch.save(state, folder / "checkpoint_epoch=1.pt")
    before = (folder / "model.pt").read_bytes()
    parser = run_config("train", **{**SMALL_TRAINING, **places, "epochs": 2, "resume": True})
    assert parser.get_parsed_content("train#trainer").state.epoch == 2
    assert (folder / "checkpoint_epoch=2.pt").exists()
    assert (folder / "model.pt").read_bytes() == before


@pytest.mark.parametrize("wording", ["matched", "empty"])
def test_evaluation_reports_every_metric(run_config, trained, places, folder, wording):
    weights, output = f"{places['output_dir']}/model.pt", folder / wording
    overrides = {**SMALL_TRAINING, **places, "output_dir": str(output), "weights": weights, "wording": wording}
    parser = run_config("train", "evaluate", **overrides)
    metrics = parser.get_parsed_content("validate#evaluator").state.metrics
    assert {"val_mean_dice", "val_mean_iou", "val_dice_of_others"} | set(referring_scores([], [])) == set(metrics)
    assert (output / "metrics.csv").is_file()


def test_what_nobody_knows_counts_neither_in_training_nor_in_validation(trained):
    label = torch.tensor([[[MEANT, NO_LESION, NOT_MEANT, UNKNOWN]]]).float()
    certain = torch.tensor([[[9.0, -9.0, -9.0, 9.0]]])
    for part, key, pred in (("train", "pred_logits", {"logits": certain}), ("validate", "pred", certain)):
        postprocessing = trained.get_parsed_content(f"{part}#postprocessing")
        sample = postprocessing({"pred": pred, "label": label.clone()})
        assert sample[key].tolist() == sample["label"].tolist() == [[[1, 0, 0, 0]]]


def test_inference_saves_a_mask_in_the_geometry_of_the_image(run_config, trained, places, folder):
    datalist = json.loads((Path(places["phantom_dir"]) / "datalist.json").read_text())["test"]
    image = nibabel.load(Path(places["phantom_dir"]) / datalist[0]["image"])
    overrides = {
        "weights": f"{places['output_dir']}/model.pt",
        "output_dir": str(folder / "inference"),
        "dataset_dir": str(Path(places["phantom_dir"]) / datalist[0]["image"]),
        "expression": "the smaller cyst",
    }
    run_config("inference", **overrides)
    (saved,) = (folder / "inference").glob("*_seg.nii.gz")
    mask = nibabel.load(saved)
    assert mask.shape == image.shape
    np.testing.assert_allclose(mask.affine, image.affine, atol=1e-4)
    assert set(np.unique(mask.get_fdata())) <= {0, 1}


def test_several_expressions_on_one_image_give_several_files(run_config, trained, places, folder):
    image = json.loads((Path(places["phantom_dir"]) / "datalist.json").read_text())["test"][0]["image"]
    expressions = ["the cyst", "the cyst!", "$print(1)", "../up"]
    entries = [{"image": f"{places['phantom_dir']}/{image}", "expression": expression} for expression in expressions]
    (folder / "many.json").write_text(json.dumps({"test": entries}))
    overrides = {"weights": f"{places['output_dir']}/model.pt", "output_dir": str(folder / "many")}
    run_config("inference", **overrides, datalist=str(folder / "many.json"))
    assert len(list((folder / "many").glob("*_seg.nii.gz"))) == len(expressions)


def test_patients_whose_images_are_named_alike_get_a_mask_each(run_config, trained, places, folder):
    image = json.loads((Path(places["phantom_dir"]) / "datalist.json").read_text())["test"][0]["image"]
    for patient in ("p1", "p2"):
        (folder / "hospital" / patient).mkdir(parents=True)
        shutil.copy(Path(places["phantom_dir"]) / image, folder / "hospital" / patient / "ct.nii.gz")
    overrides = {"weights": f"{places['output_dir']}/model.pt", "output_dir": str(folder / "masks")}
    run_config("inference", **overrides, dataset_dir=str(folder / "hospital"), expression="the cyst")
    names = sorted(path.name for path in (folder / "masks").glob("*_seg.nii.gz"))
    assert [name.split("_the-cyst-")[0] for name in names] == ["p1-ct", "p2-ct"]


def test_training_and_inference_prepare_an_image_alike(trained, places):
    datalist = trained.get_parsed_content("validate#dataset#data")
    parser = ConfigParser(json.loads((CONFIGS / "inference.json").read_text()))
    parser["spacing"] = SPACING
    inference = parser.get_parsed_content("preprocessing")({key: datalist[0][key] for key in ("image", "expression")})
    training = trained.get_parsed_content("validate#preprocessing")(datalist[0])
    cropped = ResizeWithPadOrCrop(trained["image_size"])(inference["image"][..., 0])
    torch.testing.assert_close(cropped.as_tensor(), training["image"].as_tensor())
    assert torch.equal(inference["input_ids"], training["input_ids"])
