# SPDX-License-Identifier: Apache-2.0
import os

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from lsms_monai.handlers import image_meta, resume_training


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    (tmp_path / "model.pt").touch()
    message = f"a checkpoint is required to resume, none in {tmp_path}; start with --resume false"
    with pytest.raises(FileNotFoundError, match=message):
        resume_training(Engine(lambda engine, batch: None), {}, tmp_path)


def test_a_training_resumes_from_the_newest_checkpoint(tmp_path):
    network, trainer = torch.nn.Linear(1, 1, bias=False), Engine(lambda engine, batch: None)
    for epoch, age in ((2, 100), (10, 0), (9, 50)):
        path = tmp_path / f"checkpoint_epoch={epoch}.pt"
        torch.save({"network": {"weight": torch.tensor([[float(epoch)]])}}, path)
        os.utime(path, (10_000 - age, 10_000 - age))
    resume_training(trainer, {"network": network}, str(tmp_path))
    assert network.weight.item() == 10


def test_the_meta_data_of_each_image_of_a_batch_is_found():
    batch = [{"image": MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": name})} for name in ("a", "b")]
    assert [meta["filename_or_obj"] for meta in image_meta(batch)] == ["a", "b"]
