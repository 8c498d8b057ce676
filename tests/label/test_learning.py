# SPDX-License-Identifier: Apache-2.0
"""Saved labels, fine-tuning, scoring and batch inference over REST, on studies and with weights of their own."""

import json

import nibabel
import numpy as np
import pytest
from lib.segments import label_map, write_label_map
from scenes import oblique_affine, scene, write_studies
from serving import REPOSITORY, Server, eventually

from lsms_monai.answer import Answer


@pytest.fixture(scope="module")
def learning(small_bundle, tmp_path_factory):
    """A server whose network learns."""
    folder = tmp_path_factory.mktemp("learning")
    (folder / "studies").mkdir()
    conf = {"bundle": str(small_bundle), "model_dir": str(folder / "model"), "device": "cpu"}
    with Server(REPOSITORY / "apps" / "lsms", write_studies(folder / "studies"), conf, folder) as running:
        running.models = folder / "model"
        yield running


def save_label(server, image, segments):
    """Submit the scene's masks as 3D Slicer does: a label map, and the name of each segment."""
    _, masks = scene()
    labels, *_ = label_map([Answer(name, masks[word], []) for name, word in segments.items()])
    path = write_label_map(labels, oblique_affine(), ".nii.gz", "uint8")
    info = {"label_info": [{"name": name, "idx": number + 1} for number, name in enumerate(segments)]}
    with path.open("rb") as file:
        response = server.put(
            f"/datastore/label?image={image}",
            data={"params": json.dumps(info)},
            files={"label": ("label.nii.gz", file)},
        )
    path.unlink()
    assert response.status_code == 200, response.text


def test_training_without_labels_says_what_is_needed(learning):
    learning.post("/train/lsms", json={"max_epochs": 1})
    state = learning.wait("/train/")
    assert state["status"] == "ERROR"
    assert "fine-tuning needs at least one saved segment" in " ".join(state["details"])
    assert learning.infer("oblique", {"prompt": "the dark lesion"}).json()["model"]["weights"] == "shipped"


def test_a_stopped_training_leaves_the_old_weights_answering(learning, small_bundle):
    save_label(learning, "oblique", {"the dark lesion": "dark", "the bright lesion": "bright"})
    before = (small_bundle / "models" / "model.pt").read_bytes()
    learning.post("/train/lsms", json={"max_epochs": 500})
    eventually(lambda: list(learning.models.glob(".part_*/run/*")), 600)
    learning.delete("/train/")
    assert learning.wait("/train/")["status"] == "STOPPED"
    assert learning.infer("oblique", {"prompt": "the dark lesion"}).json()["model"]["weights"] == "shipped"
    assert (small_bundle / "models" / "model.pt").read_bytes() == before


def test_fine_tuned_weights_answer_as_soon_as_they_are_there(learning, small_bundle):
    save_label(learning, "oblique", {"the dark lesion": "dark", "the bright lesion": "bright"})
    before = (small_bundle / "models" / "model.pt").read_bytes()
    learning.post("/train/lsms", json={"max_epochs": 2})
    state = learning.wait("/train/")
    assert state["status"] == "DONE", state["details"]
    answer = learning.infer("oblique", {"prompt": "the dark lesion"}).json()
    assert answer["model"]["weights"] != "shipped"
    assert (small_bundle / "models" / "model.pt").read_bytes() == before
    stats = learning.get("/info/").json()["train_stats"]["lsms"]
    assert stats["total_epochs"] == 2
    assert 0 <= stats["best_metric"] <= 1
    shipped = learning.infer("oblique", {"prompt": "the dark lesion", "weights": "shipped"}).json()
    assert shipped["model"]["weights"] == "shipped"


def test_the_study_with_the_largest_disagreement_is_next(server):
    server.post("/scoring/disagreement", json={"prompt": "the dark lesion"})
    state = server.wait("/scoring/")
    assert state["status"] == "DONE", state["details"]

    def written():  # in another process; the server hears of it by the file
        objects = server.get("/datastore/?output=all").json()["objects"]
        found = {name: entry["image"]["info"].get("disagreement") for name, entry in objects.items()}
        return {"healthy", "oblique", "as_nrrd"} <= {name for name in found if found[name] is not None} and found

    scores = eventually(written)
    assert scores["broken"] is None
    assert scores["healthy"] == 0
    highest = max(score for score in scores.values() if score is not None)
    assert 0 <= highest <= 1
    chosen = server.post("/activelearning/uncertain", json={}).json()
    assert scores[chosen["id"]] == highest


def test_one_expression_is_asked_of_all_studies(server, studies):
    params = {"prompt": "the dark lesion", "label_tag": "original", "max_workers": 1}
    answers = server.post("/batch/infer/lsms?run_sync=true", json=params).json()
    assert "can be read" in answers["broken"]["error"]
    assert answers["oblique"]["params"]["label_names"] == {"the dark lesion": 1}
    saved = nibabel.load(studies / "labels" / "original" / "oblique.nii.gz")
    assert set(np.unique(saved.get_fdata())) == {0, 1}
