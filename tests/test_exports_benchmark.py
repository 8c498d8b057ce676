# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the exports asks every engine the same and says how far its answer lies from PyTorch's."""

import exports
import pytest
import torch
from torch import nn


class Brightness(nn.Module):
    def forward(self, image, input_ids, attention_mask):
        return image + (input_ids * attention_mask).sum()


def test_each_engine_is_compared_with_pytorch_and_named_with_its_file(tmp_path):
    sample = torch.rand(1, 1, 64, 64), torch.tensor([[2, 3]]), torch.tensor([[1, 0]])
    torch.jit.trace(Brightness(), sample).save(tmp_path / "model.ts")
    records = exports.measure(Brightness(), sample, {"TorchScript": tmp_path / "model.ts"}, repeats=2)
    assert [record["engine"] for record in records] == ["PyTorch", "TorchScript"]
    assert [record["max_difference"] for record in records] == [0, 0]
    assert (records[1]["size"], records[1]["word_pieces"], records[0]["times_pytorch"]) == (64, 2, 1)


def test_a_size_that_an_engine_cannot_take_is_refused(capsys):
    with pytest.raises(SystemExit):
        exports.main(["--size", "100"])
    assert "--size must be a multiple of 32 from 64 to 1024" in capsys.readouterr().err
