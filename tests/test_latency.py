# SPDX-License-Identifier: Apache-2.0
"""The benchmark counts what it says it counts."""

import json
import subprocess
import sys

import latency
import pytest
import torch
from torch import nn

from lsms_monai.transforms import TokenizeExpressiond


def test_a_convolution_costs_its_formula():
    network = nn.Conv2d(1, 64, 5, padding=2)
    counted = latency.count(network, (torch.rand(1, 1, 320, 320),))
    assert counted["gmac"] == round(64 * 5 * 5 * 320 * 320 / 1e9, 2)
    assert counted["parameters_m"] == round((64 * 25 + 64) / 1e6, 2)


def test_the_expression_has_as_many_word_pieces_as_the_profile_takes():
    words = TokenizeExpressiond()({"expression": latency.EXPRESSION_16})
    assert int(words["attention_mask"].sum()) == latency.NUM_TOKENS


@torch.inference_mode()
@pytest.mark.parametrize("bfloat16", [False, True])
def test_from_words_and_slice_to_mask(bfloat16):
    mask = latency.EndToEnd("tiny", bfloat16=bfloat16).eval()(torch.rand(1, 1, 64, 32))
    assert (mask.shape, mask.dtype) == ((1, 1, 64, 32), torch.bool)


@pytest.mark.slow
@torch.inference_mode()
def test_another_engine_is_timed_but_has_no_operations_to_count():
    names = ["LSMS tiny, OpenVINO", "DynUNet"]
    engine, reference = latency.measure(names, 64, 1, torch.device("cpu"))
    assert engine["ms_per_slice"] > 0
    assert engine.get("gmac") is engine["peak_memory_mib"] is None
    assert reference["gmac"] > 0


def test_every_model_is_timed_as_often_as_asked():
    prepared = {name: (nn.Conv2d(1, 1, 3), (torch.rand(1, 1, 32, 32),)) for name in ("a", "b")}
    times = latency.time_all(prepared, repeats=3, device=torch.device("cpu"))
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_a_size_that_networks_cannot_halve_is_refused(capsys):
    with pytest.raises(SystemExit):
        latency.main(["--size", "100"])
    assert "--size must be a multiple of 32" in capsys.readouterr().err


@pytest.mark.slow
def test_there_is_one_json_line_a_model():
    command = [sys.executable, latency.__file__, "--size", "64", "--repeats", "1", "--models"]
    command += ["LSMS tiny", "DynUNet"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["model"] for record in records] == ["LSMS tiny", "DynUNet"]
    assert records[1]["times_dynunet"] == 1
    assert all(record["peak_memory_mib"] > 0 and record["ms_per_slice"] > 0 for record in records)
