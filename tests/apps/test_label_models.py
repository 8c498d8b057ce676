# SPDX-License-Identifier: Apache-2.0
import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from dicom import write_series
from lib.answering import NUM_IMAGES_KEPT, Answering
from lib.models import NEWEST, SHIPPED, Models
from stub import AFFINE, scene, write_bundle

from lsms_monai.report import save_mask


@pytest.fixture
def models(stub_bundle, tmp_path):
    return Models(stub_bundle, tmp_path / "finetuned", "cpu")


@pytest.fixture
def study(tmp_path):
    import nibabel

    path = tmp_path / "ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(scene()[0], AFFINE), path)
    return path


def test_without_fine_tuning_the_shipped_weights_answer(models):
    assert models.names() == [SHIPPED]
    assert models.predictor()[0] == SHIPPED


def test_the_newest_weights_answer_as_soon_as_their_folder_is_there(models, stub_bundle):
    _, shipped = models.predictor()
    for name in ("20260101_000000_aa", "20260102_000000_aa"):
        shutil.copytree(stub_bundle, models.finetuned_dir / name)
    name, newest = models.predictor()
    assert name == "20260102_000000_aa"
    assert newest is not shipped
    assert models.predictor(SHIPPED)[1] is shipped


def test_weights_that_do_not_load_leave_the_former_ones_answering(models, stub_bundle, caplog):
    write_bundle(models.finetuned_dir / "20260101_000000_aa")
    write_bundle(models.finetuned_dir / "20260102_000000_aa", weights={"wrong": np.zeros(1).tolist()})
    with caplog.at_level(logging.WARNING):
        assert models.predictor()[0] == "20260101_000000_aa"
    assert "20260102_000000_aa are left out" in caplog.text


def test_a_training_that_has_not_ended_is_not_seen(models, stub_bundle):
    shutil.copytree(stub_bundle, models.finetuned_dir / ".part_20260101_000000_aa")
    assert models.names() == [SHIPPED]


@pytest.mark.parametrize("name", ["../bundle", "/etc", "no such weights"])
def test_unknown_weights_are_refused(models, name):
    with pytest.raises(ValueError, match=rf"weights must be {NEWEST} or one of {SHIPPED}, got"):
        models.predictor(name)


def test_two_expressions_give_two_masks_of_one_study(models, study):
    reply = Answering(models).ask(study, ["the dark lesion", "the bright lesion"])
    _, masks = scene()
    for answer, word in zip(reply.answers, ("dark", "bright"), strict=True):
        np.testing.assert_array_equal(answer.mask, masks[word])
    assert reply.model["weights"] == SHIPPED
    assert "“the dark lesion”: Found: 1 lesion" in reply.message()


def test_an_image_is_read_again_when_its_file_changes(models, study):
    answering = Answering(models)
    first, _ = answering.read(study)
    assert answering.read(study)[0] is first
    save_mask(study, np.ones((3, 4, 5)), AFFINE)
    assert answering.read(study)[0].shape == (3, 4, 5)


def test_a_series_is_read_again_when_one_of_its_slices_is_written_anew(models, tmp_path):
    folder = write_series(tmp_path / "series", scene()[0])
    answering = Answering(models)
    before, _ = answering.read(folder)
    assert answering.read(folder)[0] is before
    path = sorted(folder.iterdir())[0]
    data = pydicom.dcmread(path)
    data.RescaleIntercept = float(data.RescaleIntercept) - 100
    data.save_as(path)
    after, _ = answering.read(folder)
    assert np.count_nonzero(after != before) == before[:, :, 0].size


def test_only_the_last_images_stay_in_memory(models, tmp_path):
    answering = Answering(models)
    for number in range(NUM_IMAGES_KEPT + 2):
        path = tmp_path / f"{number}.nii.gz"
        save_mask(path, np.ones((3, 4, 5)), AFFINE)
        answering.read(path)
    assert len(answering._images) == NUM_IMAGES_KEPT


def test_an_image_is_read_while_another_request_is_answered(study):
    asked, may_answer = threading.Event(), threading.Event()

    def predict(*_):
        asked.set()
        assert may_answer.wait(60)
        return []

    predictor = SimpleNamespace(metadata={}, predict=predict)
    answering = Answering(SimpleNamespace(predictor=lambda weights: (weights, predictor)))
    with ThreadPoolExecutor(2) as pool:
        reply = pool.submit(answering.ask, study, ["the dark lesion"])
        try:
            assert asked.wait(60)
            image, _ = pool.submit(answering.read, study).result(timeout=60)
            assert not reply.done()
        finally:
            may_answer.set()
    assert reply.result().image is image


def test_words_that_the_model_does_not_know_are_mentioned(models, study):
    message = Answering(models).ask(study, ["the dark flurb", "the dark lesion"]).message()
    assert "Words that are not known: flurb." in message


def test_words_that_do_not_fit_are_mentioned(models, study):
    reply = Answering(models).ask(study, ["dark " + " ".join(f"word{number}" for number in range(40))])
    assert any("tokens, max_length is" in warning for warning in reply.warnings)
