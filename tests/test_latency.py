# SPDX-License-Identifier: Apache-2.0
"""The benchmark counts what it says it counts."""

import json
import subprocess
import sys

import latency
import pytest
import torch
from torch import nn


def test_a_convolution_costs_its_formula():
    network = nn.Conv2d(1, 64, 5, padding=2)
    counted = latency.count(network, (torch.rand(1, 1, 320, 320),))
    assert counted["gmac"] == round(64 * 5 * 5 * 320 * 320 / 1e9, 2)
    assert counted["parameters_m"] == round((64 * 25 + 64) / 1e6, 2)


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
    command = [sys.executable, latency.__file__, "--size", "64", "--repeats", "1", "--models", "LSMS tiny", "BasicUNet"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["model"] for record in records] == ["LSMS tiny", "BasicUNet"]
    assert all(record["peak_memory_mib"] > 0 and record["ms_per_slice"] > 0 for record in records)
