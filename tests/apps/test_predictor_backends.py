# SPDX-License-Identifier: Apache-2.0
"""The engine that runs the network changes the time, not the answer."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from lsms_monai.cli import main
from lsms_monai.data import phantom
from lsms_monai.predictor import BundlePredictor


def test_a_backend_that_does_not_exist_is_refused(stub_bundle):
    with pytest.raises(ValueError, match="backend must be one of torch, onnx, openvino, got 'tensorflow'; take torch"):
        BundlePredictor(stub_bundle, backend="tensorflow")


@pytest.fixture(scope="module")
def exported(repository, tmp_path_factory):
    """The released bundle in float32, with the files that another engine runs."""
    folder = tmp_path_factory.mktemp("bundle")
    models = folder / "models"
    models.mkdir()
    shutil.copytree(repository / "bundle" / "configs", folder / "configs")
    inference = folder / "configs" / "inference.json"
    inference.write_text(json.dumps({**json.loads(inference.read_text()), "bfloat16": False}))  # as ONNX Runtime
    (models / "model.pt").symlink_to(repository / "bundle" / "models" / "model.pt")
    done = CliRunner().invoke(main, ["export", "onnx-split", "--bundle", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "tolerance"), [("onnx", 0.001), ("openvino", 0.05)])
def test_another_engine_gives_the_masks_of_pytorch(exported, backend, tolerance):
    made = phantom(np.random.default_rng(5), num_lesions=3)
    answers = [
        BundlePredictor(exported, "cpu", backend=engine).predict(made.image, made.affine, ["the lesion", "the cyst"])
        for engine in ("torch", backend)
    ]
    assert any(answer.mask.any() for answer in answers[0])
    for one, other in zip(*answers, strict=True):
        assert (one.mask ^ other.mask).sum() <= tolerance * one.mask.sum()
