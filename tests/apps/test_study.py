# SPDX-License-Identifier: Apache-2.0
"""What an earlier run left of a study: its answer, that to something else, or nothing that can be read."""

import hashlib
import json
import shutil

import nibabel as nib
import pytest
import torch
from stub import AFFINE, scene

from lsms_monai.cli.study import Study, is_finished, model_of, segment_study

DARK, BRIGHT = "the dark lesion", "the bright lesion"
MODEL = {"name": "Two words", "version": "1.2.3"}
STUDY = Study("a", "a.nii", (DARK,))


@pytest.fixture
def answer(tmp_path):
    (tmp_path / "a").mkdir()
    return tmp_path / "a" / "answer.json"


@pytest.mark.parametrize(
    "change",
    [
        {"model": {}},
        {"model": {**MODEL, "weights_sha256": "1"}},
        {"image": "b.nii"},
        {"answers": [{"expression": BRIGHT}]},
        None,
    ],
)
def test_the_answer_to_something_else_is_not_taken_for_this_one(tmp_path, answer, change):
    content = {"image": "a.nii", "model": MODEL, "answers": [{"expression": DARK}]}
    answer.write_text(json.dumps({} if change is None else {**content, **change}))
    with pytest.raises(FileExistsError, match="a holds the answer to another image, model or expressions; choose"):
        is_finished(STUDY, tmp_path, MODEL)


@pytest.mark.parametrize(
    "content", ['{"image": "a.n', "[]", '{"answers": 3}', '{"answers": [{"found": true}]}', "\xff"]
)
def test_a_file_that_is_no_answer_is_named(tmp_path, answer, content):
    answer.write_bytes(content.encode("latin-1"))
    with pytest.raises(FileExistsError, match=r"answer\.json must be an answer that lsms batch wrote.*add --overwrite"):
        is_finished(STUDY, tmp_path, MODEL)


def segment(tmp_path, bundle, model=None):
    """What the answer says of the model."""
    nib.save(nib.Nifti1Image(scene()[0], AFFINE), tmp_path / "a.nii")
    segment_study(Study("a", str(tmp_path / "a.nii"), (DARK,)), tmp_path / "out", bundle, "cpu", model=model)
    return json.loads((tmp_path / "out" / "a" / "answer.json").read_text())["model"]


def test_weights_that_were_replaced_are_read_again(tmp_path, stub_bundle):
    weights = stub_bundle / "models" / "model.pt"
    before = segment(tmp_path, stub_bundle)
    torch.save(torch.load(weights, weights_only=True), tmp_path / "anew.pt")
    shutil.copy(tmp_path / "anew.pt", weights)
    anew = segment(tmp_path, stub_bundle)
    assert anew["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest() != before["weights_sha256"]
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(
        ValueError, match="has changed since lsms batch began, got another model; run the command again"
    ):
        segment(tmp_path, stub_bundle, model=before)


def test_another_configuration_is_another_model(tmp_path, stub_bundle):
    before = model_of(MODEL, stub_bundle)
    config = stub_bundle / "configs" / "inference.json"
    config.write_text(config.read_text() + "\n")
    assert model_of(MODEL, stub_bundle) != before
