# SPDX-License-Identifier: Apache-2.0
"""The ablation changes one part a row and asks each result in every wording."""

import json
import logging

import ablation
import pytest
from sarcoma import BUNDLE

from lsms_monai.networks import LSMS


@pytest.fixture(scope="module")
def small(small_text_encoder):
    """Settings that are small enough for a test."""
    settings = {"network_def#text_encoder": small_text_encoder, "pretrained_text": False, "image_size": [32, 32]}
    return {**settings, "num_phantoms": 10, "epoch_length": 1, "device": "$torch.device('cpu')"}


@pytest.mark.parametrize("row", ["text_in_the_loss_alone"])
def test_a_network_without_words_answers_all_wordings_alike(row, small, tmp_path):
    record = ablation.measure(row, 0, tmp_path / row, {**small, "phantom_dir": str(tmp_path / "phantom")})
    assert record["matched"]["dice"] > 0
    assert record["matched"] == record["contradicted"]


@pytest.mark.parametrize("row", ablation.ROWS)
def test_a_row_changes_what_it_says(row):
    train = json.loads((BUNDLE / "configs" / "train.json").read_text())
    arguments = {**train["network_def"], "variant": ablation.ROWS[row].get("variant", "tiny")}
    for key, value in ablation.ROWS[row].items():
        section, _, name = key.partition("#")
        if section == "network_def":
            assert arguments.get(name, "unset") != value
            arguments[name] = value
        else:
            assert train[section] != value
    known = {name: value for name, value in arguments.items() if not str(value).startswith(("@", "$", "lsms"))}
    assert LSMS(**known)


def test_the_rows_differ_in_the_seed_but_not_in_the_phantoms(small, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(ablation, "run", lambda names, settings: seen.append(settings) or run_nothing())
    for seed in (0, 1):
        ablation.measure("full", seed, tmp_path, small)
    assert {settings["seed"] for settings in seen} == {0, 1}
    assert {settings["train#data#seed"] for settings in seen} == {0}
    assert {settings["validate#dataset#data#seed"] for settings in seen} == {0}
    assert [settings.get("wording") for settings in seen[:4]] == [None, *ablation.WORDINGS]


def run_nothing():
    """What `run` gives, as far as `measure` looks at it."""

    class Parser:
        def get_parsed_content(self, _name):
            return self

        state = type("State", (), {"metrics": {"val_mean_dice": 0.5, "val_dice_of_others": 0.25}})

    return Parser()


def test_the_output_is_one_json_line_a_row_and_seed(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(ablation, "measure", lambda row, seed, folder, settings: {"row": row, "seed": seed})
    monkeypatch.setattr(ablation.torch, "set_num_threads", lambda number: None)
    try:
        ablation.main(["--output", str(tmp_path), "--rows", "full", "small", "--seeds", "3", "4"])
    finally:
        logging.disable(logging.NOTSET)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(record["row"], record["seed"]) for record in records] == [
        ("full", 3),
        ("small", 3),
        ("full", 4),
        ("small", 4),
    ]


def test_numbers_that_train_nothing_are_refused(capsys):
    with pytest.raises(SystemExit):
        ablation.main(["--steps", "0"])
    assert "--steps, --phantoms and --threads must be positive" in capsys.readouterr().err
