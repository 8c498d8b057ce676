# SPDX-License-Identifier: Apache-2.0
import os

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.optimizers import WarmupCosineSchedule

from lsms_monai.handlers import ReferringScores, image_meta, resume_training
from lsms_monai.metrics import referring_scores


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    (tmp_path / "model.pt").touch()
    message = f"a checkpoint is required to resume, none in {tmp_path}; start with --resume False"
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


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    network = torch.nn.Linear(1, 1, bias=False)
    for epoch in (1, 2):
        torch.save({"network": {"weight": torch.tensor([[float(epoch)]])}}, tmp_path / f"checkpoint_epoch={epoch}.pt")
    whole = (tmp_path / "checkpoint_epoch=2.pt").read_bytes()
    (tmp_path / "checkpoint_epoch=2.pt").write_bytes(whole[: len(whole) // 2])
    resume_training(Engine(lambda engine, batch: None), {"network": network}, tmp_path)
    assert network.weight.item() == 1


def test_a_training_at_its_end_is_not_begun_again(tmp_path):
    before, after = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
    before.run([0, 1], max_epochs=2)
    torch.save({"trainer": before.state_dict()}, tmp_path / "checkpoint_epoch=2.pt")
    after.state.max_epochs = 2
    with pytest.raises(ValueError, match="has reached its 2 epochs; give more --epochs to go on"):
        resume_training(after, {"trainer": after}, tmp_path)


def test_a_training_with_more_epochs_than_before_resumes_on_its_new_schedule(tmp_path):
    def schedule(steps):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return WarmupCosineSchedule(optimizer, warmup_steps=2, t_total=steps)

    def walk(scheduler, steps):
        for _ in range(steps):
            scheduler.optimizer.step()
            scheduler.step()
        return scheduler.get_last_lr()[0]

    before, after, anew = schedule(10), schedule(20), schedule(20)
    walk(before, 10)
    torch.save({"lr_scheduler": before.state_dict()}, tmp_path / "checkpoint_epoch=1.pt")
    resume_training(Engine(lambda engine, batch: None), {"lr_scheduler": after}, tmp_path)
    assert walk(after, 5) == pytest.approx(walk(anew, 15))
    assert walk(after, 5) == pytest.approx(0, abs=1e-6)


def test_the_meta_data_of_each_image_of_a_batch_is_found():
    batch = [{"image": MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": name})} for name in ("a", "b")]
    assert [meta["filename_or_obj"] for meta in image_meta(batch)] == ["a", "b"]


def test_referring_scores_of_an_epoch_are_those_of_all_its_samples():
    generator = torch.Generator().manual_seed(0)
    pred, label = (torch.rand(2, 5, 1, 7, 11, generator=generator) > 0.6).float()
    batches = [(list(pred[:2]), list(label[:2])), (list(pred[2:]), list(label[2:]))]
    engine = Engine(lambda engine, batch: batch)
    ReferringScores().attach(engine, "referring_scores")
    for _ in range(2):  # a second epoch starts anew
        metrics = engine.run(batches, max_epochs=1).metrics
        assert metrics == pytest.approx(referring_scores(pred, label), nan_ok=True)
