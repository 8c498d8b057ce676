# SPDX-License-Identifier: Apache-2.0
"""Our app over REST: what a client sends and gets."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from requests_toolbelt import MultipartDecoder
from scenes import SHAPE, dice, oblique_affine, scene
from serving import eventually

SMALLEST_DICE = 0.9


def test_the_app_offers_one_segmentation_model_with_a_cell_for_the_prompt(server):
    info = server.get("/info/").json()
    assert list(info["models"]) == ["lsms"]
    model = info["models"]["lsms"]
    assert model["type"] == "segmentation"
    assert model["config"] == {"prompt": "", "weights": ["newest", "shipped"]}
    assert set(info["strategies"]) == {"random", "uncertain"}
    assert list(info["trainers"]) == ["lsms"]


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("study", ["oblique", "as_nrrd"])
def test_a_mask_lies_on_its_image(server, study, extension):
    labels, affine = server.mask(study, "the dark lesion", extension)
    assert labels.shape == SHAPE
    np.testing.assert_allclose(affine, oblique_affine(), atol=1e-3)
    assert dice(labels == 1, scene()[1]["dark"]) > SMALLEST_DICE


def test_two_expressions_give_two_masks(server):
    dark, bright = (server.mask("oblique", f"the {word} lesion")[0] > 0 for word in ("dark", "bright"))
    assert not (dark & bright).any()
    assert dice(bright, scene()[1]["bright"]) > SMALLEST_DICE


def test_several_expressions_give_several_named_segments(server):
    answer = server.infer("oblique", {"prompt": "the bright lesion; the dark lesion"}).json()
    assert answer["label_names"] == {"the bright lesion": 1, "the dark lesion": 2}
    labels, _ = server.mask("oblique", "the bright lesion; the dark lesion")
    for value, word in ((1, "bright"), (2, "dark")):
        assert dice(labels == value, scene()[1][word]) > SMALLEST_DICE


def test_an_answer_without_output_holds_json_and_file(server):
    response = server.post("/infer/lsms?image=oblique", data={"params": '{"prompt": "the dark lesion"}'})
    parts = MultipartDecoder.from_response(response).parts
    assert b"label_names" in parts[0].content
    assert parts[1].content[:2] == b"\x1f\x8b"  # gzip


def test_a_volume_without_lesions_gives_an_empty_mask_and_a_message(server):
    answer = server.infer("healthy", {"prompt": "the dark lesion"}).json()
    assert answer["label_names"] == {}
    assert "Not found" in answer["message"]
    assert not server.mask("healthy", "the dark lesion")[0].any()


def test_words_that_are_not_known_are_named(server):
    answer = server.infer("oblique", {"prompt": "the dark flurb"}).json()
    assert "Words that are not known: flurb." in answer["message"]


@pytest.mark.parametrize(
    ("prompt", "expected"), [("the dark lesion", '{"the dark lesion": 1}'), ("", "prompt must name a lesion in words")]
)
def test_a_file_that_is_sent_is_answered_and_not_kept(server, studies, prompt, expected):
    with (studies / "oblique.nii.gz").open("rb") as file:
        response = server.infer("", {"prompt": prompt}, files={"file": ("mine.nii.gz", file)})
    assert expected in json.dumps(response.json())
    sessions = server.log.parent / "sessions"
    eventually(lambda: not list(sessions.rglob("*.nii.gz")))  # the server tidies up after it has answered
    eventually(lambda: not list(server.temporary.glob("lsms_*.nii.gz")))


@pytest.mark.parametrize(
    ("image", "params", "status", "reason"),
    [
        ("oblique", {}, 400, "prompt must be a text"),
        ("oblique", {"prompt": ""}, 400, "prompt must name a lesion in words"),
        ("oblique", {"prompt": 7}, 400, "prompt must be a text"),
        ("oblique", "{not json", 400, "params must be a JSON object"),
        ("oblique", "[1]", 400, "params must be a JSON object"),
        ("oblique", {"prompt": "the cyst", "weights": "none such"}, 400, "weights must be newest or one of"),
        ("oblique", {"prompt": "the cyst", "result_extension": ".exe"}, 400, "result_extension must be one of"),
        ("unknown", {"prompt": "the cyst"}, 404, "there is no study 'unknown'"),
        ("", {"prompt": "the cyst"}, 400, "must name a study"),
        ("broken", {"prompt": "the cyst"}, 400, "must be a NIfTI image that can be read"),
        ("no_position", {"prompt": "the cyst"}, 400, "left and right cannot be told"),
    ],
)
def test_what_cannot_be_answered_gives_a_reason(server, image, params, status, reason):
    response = server.infer(image, params)
    assert response.status_code == status
    assert reason in response.json()["detail"]


def test_an_unknown_model_gives_a_reason(server):
    response = server.infer("oblique", {"prompt": "the cyst"}, model="none")
    assert response.status_code == 400
    assert "There is no model 'none' available" in response.json()["detail"]


def test_where_the_studies_lie_is_not_told(server, studies):
    assert str(studies) not in server.infer("broken", {"prompt": "the cyst"}).text


def test_the_server_answers_others_while_it_works(server):
    words = "; ".join(f"dark number {number}" for number in range(16))
    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(server.infer, "oblique", {"prompt": words}) for _ in range(3)]
        num_others = 0
        while not all(request.done() for request in working):
            num_others += server.get("/info/").status_code == 200
    assert {request.result().status_code for request in working} == {200}
    assert num_others > 2 * len(working)  # and not one after each
