# SPDX-License-Identifier: Apache-2.0
"""The ablation changes one part a row and asks each result in every wording."""

import json
import logging
from pathlib import Path

import ablation
import pytest
import torch
from sarcoma import BUNDLE

from lsms_monai.data import write_phantoms
from lsms_monai.data.datalist import load_datalist
from lsms_monai.networks import LSMS

SPLIT = ("training", "validation", "test")


@pytest.fixture(scope="module")
def small(small_text_encoder, tmp_path_factory):
    """Settings that are small enough for a test."""
    datalist = write_phantoms(tmp_path_factory.mktemp("phantoms") / "set", num_patients=10, num_lesions=3)
    settings = {"network_def#text_encoder": small_text_encoder, "pretrained_text": False, "image_size": [32, 32]}
    settings["start_weights"] = None
    return {**settings, "datalist": str(datalist), "epoch_length": 1, "device": "$torch.device('cpu')"}


def test_a_network_without_words_answers_all_wordings_alike(small, tmp_path):
    record = ablation.measure("without_text", 0, tmp_path / "without_text", small)
    assert record["matched"]["dice"] > 0
    assert record["matched"] == record["shuffled"]


@pytest.mark.parametrize("row", ablation.ROWS)
def test_a_row_changes_what_it_says(row):
    train = {**json.loads((BUNDLE / "configs" / "train.json").read_text()), **ablation.COMMON}
    arguments = {**train["network_def"], "variant": "tiny"}
    for key, value in ablation.ROWS[row].items():
        section, _, name = key.partition("#")
        if section == "start_network":
            assert key not in train
        elif section == "network_def":
            assert arguments.get(name, "unset") != value
            arguments[name] = value
        else:
            assert train[section] != value
    known = {name: value for name, value in arguments.items() if not str(value).startswith(("@", "$", "lsms"))}
    assert LSMS(**known)


def test_rows_start_from_the_released_weights_but_for_what_is_new():
    path = BUNDLE / "models" / "model.pt"
    network, released = LSMS("tiny", text_stages=[2]), torch.load(path, weights_only=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    ablation.load_what_fits(network, str(path), anew="decoder.mixer.")
    for name, value in network.state_dict().items():
        source = before if name.startswith("decoder.mixer.") else released
        assert torch.equal(value, source[name].to(value.dtype)), name


def test_every_row_and_seed_learns_from_the_same_phantoms(monkeypatch, capsys, tmp_path):
    seen = []

    def measure(row, seed, folder, settings):
        seen.append(settings)
        return {"row": row, "seed": seed, "folder": folder.name}

    monkeypatch.setattr(ablation, "measure", measure)
    monkeypatch.setattr(ablation.torch, "set_num_threads", lambda number: None)
    arguments = ["--output", str(tmp_path), "--rows", "full", "pooled_mixer", "--seeds", "3", "4", "--phantoms", "5"]
    try:
        ablation.main(arguments)
        written = Path(seen[0]["datalist"]).stat().st_mtime_ns
        ablation.main(arguments)
    finally:
        logging.disable(logging.NOTSET)
    assert all(settings == seen[0] for settings in seen)
    assert Path(seen[0]["datalist"]).stat().st_mtime_ns == written
    entries = [entry for section in SPLIT for entry in load_datalist(seen[0]["datalist"], section)]
    assert len({entry["image"] for entry in entries}) == 5
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["folder"] for record in records[:4]] == ["full_3", "pooled_mixer_3", "full_4", "pooled_mixer_4"]


def test_numbers_that_train_nothing_are_refused(capsys):
    with pytest.raises(SystemExit):
        ablation.main(["--steps", "0"])
    assert "--steps, --phantoms and --threads must be positive" in capsys.readouterr().err
