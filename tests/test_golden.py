# SPDX-License-Identifier: Apache-2.0
"""The shipped weights answer in float32 as they did when they were released: speed is not bought with other masks."""

import json

import numpy as np
import pytest
from agreement import variant

from lsms_monai.onnx_network import weights_hash

SMALLEST_DICE = 0.999


@pytest.fixture(scope="module")
def golden(repository):
    folder = repository / "tests" / "golden"
    return json.loads((folder / "answers.json").read_text()), np.load(folder / "answers.npz")


def test_the_answers_are_those_of_the_shipped_weights(repository, golden):
    assert golden[0]["weights_sha256"] == weights_hash(repository / "bundle" / "models" / "model.pt")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_mask_is_as_it_was(repository, tmp_path, golden, number):
    predictor = variant(repository / "bundle", tmp_path / "bundle", {"bfloat16": False})
    about, arrays = golden
    case, image = about["cases"][number], arrays[f"image_{number}"]
    common = total = 0
    for index, answer in enumerate(predictor.predict(image, np.array(case["affine"]), case["expressions"])):
        before = np.unpackbits(arrays[f"mask_{number}_{index}"], count=image.size).reshape(image.shape).astype(bool)
        assert answer.found == before.any()
        common += np.count_nonzero(answer.mask & before)
        total += np.count_nonzero(answer.mask) + np.count_nonzero(before)
    assert total > 0
    assert 2 * common >= SMALLEST_DICE * total
