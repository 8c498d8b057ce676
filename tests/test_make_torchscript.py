# SPDX-License-Identifier: Apache-2.0
"""The bundle as one TorchScript file: the network's answers for any image and text, on any device."""

import json

import make_torchscript
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor, load_net_with_metadata

from lsms_monai.bundle_parts import load_weights, read_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(small_bundle, tmp_path_factory):
    return make_torchscript.export(small_bundle, tmp_path_factory.mktemp("one") / "model.ts")


@pytest.fixture(scope="module")
def network(small_bundle):
    network = read_bundle(small_bundle, ["network_def"]).get_parsed_content("network_def")
    load_weights(network, small_bundle / "models" / "model.pt")
    return network.eval()


@pytest.mark.parametrize(("shape", "num_tokens"), [((1, 1, 37, 61), 3), ((5, 1, 64, 32), 17)])
def test_the_file_answers_as_the_network(shape, num_tokens, model, network):
    image, ids = torch.rand(shape), torch.randint(1000, 2000, (1, num_tokens))
    mask = torch.ones_like(ids)
    mask[:, -1] = 0
    with torch.inference_mode():
        torch.testing.assert_close(torch.jit.load(model)(image, ids, mask), network(image, ids, mask))


def test_every_weight_is_in_the_file(model, network):
    state = torch.jit.load(model).state_dict()
    assert not [key for key, value in network.state_dict().items() if not torch.equal(state[key], value)]


def test_the_file_is_bound_to_no_device(model):
    assert "torch.device(" not in torch.jit.load(model).code
    assert "prim.device(image)" in torch.jit.load(model).code


def test_the_operator_is_told_to_send_image_and_expression(model):
    _, metadata, _ = load_net_with_metadata(str(model))
    inputs = metadata["network_data_format"]["inputs"]
    assert list(inputs) == ["image", "expression"]
    assert (inputs["expression"]["dtype"], metadata["name"]) == ("uint8", "LSMS CT referring segmentation")


def test_the_configuration_takes_an_image_without_a_channel_and_bytes(model):
    _, _, files = load_net_with_metadata(str(model), more_extra_files=["inference.json"])
    prepare = ConfigParser(json.loads(files["inference.json"])).get_parsed_content("preprocessing")
    pixel_mm = json.loads(files["inference.json"])["spacing"][0]
    affine = torch.diag(torch.tensor([-pixel_mm, -pixel_mm, 5.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.full((6, 5, 4), -500.0), affine=affine, meta={"original_channel_dim": "no_channel"})
    words = torch.tensor(list(b"the cyst"), dtype=torch.uint8)
    sample = prepare({"image": image, "expression": words})
    assert sample["image"].shape == (1, 6, 5, 4)
    assert sample["expression"] == "the cyst"


def test_what_is_missing_is_one_line_and_leaves_no_file(tmp_path, small_bundle, capsys):
    assert make_torchscript.main(["--bundle", str(tmp_path / "absent")]) == 1
    assert "make_torchscript: bundle not found" in capsys.readouterr().err
    (tmp_path / "lsms" / "models").mkdir(parents=True)
    (tmp_path / "lsms" / "configs").symlink_to(small_bundle / "configs")
    assert make_torchscript.main(["--bundle", str(tmp_path / "lsms")]) == 1
    assert "make_torchscript: weights not found" in capsys.readouterr().err
    assert not list((tmp_path / "lsms" / "models").iterdir())
