# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of volumes, of scaling and of training measure what they say."""

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import changes
import numpy as np
import profile_modules
import pytest
import scaling
import torch
import training
import volume
from torch import nn

from lsms_monai.networks import LSMS
from lsms_monai.predictor import BundlePredictor


def test_a_power_law_is_found():
    values = (1, 2, 5, 10)
    factor, exponent = scaling.power(values, [3.0 * value**1.7 for value in values])
    assert (factor, exponent) == pytest.approx((3.0, 1.7))


@pytest.fixture
def shown(monkeypatch):
    """The volumes of `scaling.axes` by axis and number, each lesion in place of its HU."""
    plain = scaling.phantom

    def painted(*args, **kwargs):
        made = plain(*args, **kwargs)
        return replace(made, image=made.labels)

    monkeypatch.setattr(scaling, "phantom", painted)
    for expensive in ("BundlePredictor", "LSMS"):
        monkeypatch.setattr(scaling, expensive, MagicMock())
    axes = scaling.axes(Path("bundle"))
    return {axis: {number: given[0] for number, (_, given) in axes[axis].items()} for axis in ("slices", "expressions")}


def test_every_volume_that_is_measured_shows_a_lesion(shown):
    assert all(image.any() for images in shown.values() for image in images.values())
    assert all(image.any(axis=(0, 1)).sum() >= 4 for image in shown["expressions"].values())


def test_the_slices_that_are_measured_are_as_many_as_said_and_never_one(shown):
    assert {number: image.shape[2] for number, image in shown["slices"].items()} == {4: 4, 16: 16, 64: 64}
    assert {image.shape[2] for image in shown["expressions"].values()} == {8}


@pytest.mark.parametrize(("middle", "num_slices", "first"), [(5, 4, 3), (0, 4, 0), (10, 4, 7), (5, 11, 0)])
def test_the_slices_around_the_lesions_stay_in_the_volume(middle, num_slices, first):
    labels = np.zeros((2, 3, 11), np.uint8)
    labels[0, 0, :], labels[..., middle] = 1, 2
    assert scaling.around_lesions(labels, num_slices) == slice(first, first + num_slices)


def test_the_plain_loop_asks_for_every_slice_with_the_words():
    asked = []

    class Network(nn.Module):
        def forward(self, *given):
            asked.append([part.shape for part in given])
            return given[0] - 0.5

    words = (torch.ones(1, 4), torch.ones(1, 4))
    masks = volume.loop(Network(), torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), words)
    assert asked == [[(1, 1, 1, 1), (1, 4), (1, 4)]] * 2
    assert [mask.item() for mask in masks] == [False, True]


def test_the_loop_over_prepared_slices_sees_what_the_network_sees(repository):
    image, affine = volume.volume(512, 2)
    ways = volume.prepare(BundlePredictor(repository / "bundle", "cpu"), image, affine)
    native, prepared = (ways[way][1][1] for way in volume.WAYS[:2])
    assert native.shape == (2, 1, 512, 512)
    assert len(prepared) == 2
    assert max(prepared.shape) < 241  # 511 steps of 0.75 mm are 239.5 of 1.6 mm; the air beside the body is cut off
    assert prepared[..., 8, :].any()  # behind the margin
    assert not prepared[..., :8, :].any()


@torch.inference_mode()
def test_no_change_for_speed_changes_the_answer():
    network = LSMS("tiny").eval()
    logits = [call() for call, _ in changes.steps(network, torch.rand(1, 1, 64, 64)).values()]
    for other in logits[1:3]:
        torch.testing.assert_close(other, logits[0], rtol=1e-3, atol=1e-4)
    scale = logits[0].abs().mean()
    assert (logits[3] - logits[0]).abs().mean() < 0.05 * scale
    assert torch.equal(logits[4], logits[3])


def test_there_is_one_json_line_a_change(capsys):
    changes.main(["--size", "64", "--repeats", "1"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == 5
    assert [record["times_before"] is None for record in records] == [True, False, False, False, False]


@torch.inference_mode()
def test_the_parts_are_the_whole_network(monkeypatch):
    monkeypatch.setattr(profile_modules, "ceilings", lambda: (100.0, 10.0))
    network = LSMS("tiny").eval()
    *parts, whole = profile_modules.measure(network, (torch.rand(1, 1, 64, 64), torch.arange(1000, 1008)[None]), 1)
    assert sum(part["gmac"] for part in parts) == pytest.approx(whole["gmac"], abs=0.01)
    assert sum(part["ms"] for part in parts) < whole["ms"] + 0.1  # rounding
    assert all(part["ms"] > 0 and part["mib"] > 0 for part in parts)
    refine = next(part for part in parts if part["part"] == "decoder.refine")
    assert refine["gmac"] == round(128 * 128 * 9 * 16 * 16 / 1e9, 3)
    assert refine["floor_ms"] == pytest.approx(1e3 * refine["gmac"] / 100, abs=0.01)


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        (volume, ["--slices", "0"], "--slices, --repeats and --threads must be positive"),
        (scaling, ["--repeats", "0"], "--repeats and --threads must be positive"),
        (profile_modules, ["--size", "0"], "--size, --repeats and --threads must be positive"),
        (training, ["--steps", "0"], "--steps and --threads must be positive"),
        (changes, ["--repeats", "0"], "--size, --repeats and --threads must be positive"),
    ],
)
def test_numbers_that_measure_nothing_are_refused(program, arguments, message, capsys):
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_training_is_measured_in_a_process_for_each_setting(capfd):
    training.main(["--size", "64", "--batch", "2", "--steps", "2", "--variants", "tiny"])
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert [(record["bfloat16"], record["use_checkpoint"]) for record in records] == [
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    ]
    assert all(record["samples_per_s"] > 0 and 0 < record["share_of_loading"] < 1 for record in records)


@pytest.mark.slow
def test_a_volume_is_measured_every_way(repository, capfd):
    bundle = str(repository / "bundle")
    volume.main(["--size", "512", "--slices", "1", "--repeats", "1", "--bundle", bundle])
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [record["way"] for record in records] == list(volume.WAYS)
    assert all(record["seconds"] > 0 for record in records)
