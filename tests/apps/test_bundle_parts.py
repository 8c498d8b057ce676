# SPDX-License-Identifier: Apache-2.0
"""What a bundle's folder must hold, and what is said when it does not."""

import pickle

import pytest
import torch
from monai.transforms import AsDiscreted, Compose, Flipd, Rotate90d
from stub import TwoWordNetwork, config, write_bundle

from lsms_monai.bundle_parts import load_weights, read_bundle, split_transforms


@pytest.mark.parametrize("name", [".", "configs/inference.json", "configs/metadata.json"])
def test_a_missing_folder_or_file_is_named(tmp_path, name):
    folder = tmp_path / "bundle"
    if name != ".":
        write_bundle(folder)
        (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"bundle not found: .*{name} does not exist; name the folder"):
        read_bundle(folder, ["inferer"])


def test_a_configuration_that_is_not_json_is_named(tmp_path):
    (write_bundle(tmp_path) / "configs" / "inference.json").write_text('{"device": ')
    with pytest.raises(ValueError, match=rf"the configuration of {tmp_path} must be JSON: Expecting value"):
        read_bundle(tmp_path, [])


def test_a_missing_part_is_named(tmp_path):
    content = config()
    del content["inferer"]
    write_bundle(tmp_path, content)
    with pytest.raises(ValueError, match=r"must define device, inferer; inferer is missing"):
        read_bundle(tmp_path, ["device", "inferer"])


def test_the_bundle_knows_its_own_place(tmp_path):
    assert read_bundle(write_bundle(tmp_path), [])["bundle_root"] == str(tmp_path)


def test_weights_in_half_precision_load_into_full(tmp_path):
    network = TwoWordNetwork()
    torch.save({key: value.half() for key, value in network.state_dict().items()}, tmp_path / "model.pt")
    load_weights(network, tmp_path / "model.pt")
    assert network.contrast.dtype == torch.float32
    assert network.contrast == 100


def test_missing_weights_say_where_to_get_them(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"weights not found: .*model.pt; take a released bundle, or train them"
    ):
        load_weights(TwoWordNetwork(), tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"width": torch.tensor(1.0)}, "got 1 missing: contrast; take"),
        ({"width": torch.tensor(1.0), "module.contrast": torch.tensor(1.0)}, "missing: contrast; 1 unexpected: module"),
        ({"width": torch.ones(3), "contrast": torch.tensor(1.0)}, "1 of another shape: width"),
        ({f"k{n}": torch.tensor(1.0) for n in range(9)}, "2 missing: width, contrast; 9 unexpected: k0, k1, k2; take"),
    ],
)
def test_weights_that_do_not_fit_name_the_first_keys(tmp_path, state, message):
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=message):
        load_weights(TwoWordNetwork(), tmp_path / "model.pt")


class Malicious:
    def __reduce__(self):
        return (open, ("executed", "w"))


@pytest.mark.parametrize(
    "content", [b"no weights", b"", pickle.dumps(Malicious(), 2), pickle.dumps([1, 2], 2)], ids=range(4)
)
def test_a_file_that_is_no_state_dict_is_refused_and_never_executed(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"model.pt must be a PyTorch state dict, it cannot be read \(\w+\)"):
        load_weights(TwoWordNetwork(), tmp_path / "model.pt")
    assert not (tmp_path / "executed").exists()


def test_transforms_are_split_before_the_first_of_a_class():
    flips = [Flipd("image", axis) for axis in (0, 1, 2)]
    compose = Compose([Rotate90d("image"), Compose(flips[:1]), flips[1], AsDiscreted("image"), flips[2]])
    before, after = split_transforms(compose, AsDiscreted, without=Rotate90d)
    assert before == flips[:2]
    assert after[1:] == flips[2:]


def test_a_missing_transform_is_named_with_those_that_are_there():
    with pytest.raises(ValueError, match="AsDiscreted is required among the bundle's transforms, got Flipd; add it"):
        split_transforms(Compose([Flipd("image")]), AsDiscreted, without=Rotate90d)
