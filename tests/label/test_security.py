# SPDX-License-Identifier: Apache-2.0
"""What a request must not be able to do."""

import io
import json
import zipfile

import numpy as np
import pytest
from scenes import scene

from lsms_monai.report import save_mask

HARMFUL = [
    "$open('{marker}', 'w').close()",
    "$__import__('pathlib').Path('{marker}').touch()",
    "@network",
    "%configs/metadata.json",
    "lesion#bundle_root",
    "_target_",
    "$@bundle_root",
    "病变",
    "🫀 lesion",
    "lesion\x00\n\t",
    "<script>alert(1)</script>",
    "x" * 5000,
    "the dark lesion " * 313,
]


@pytest.mark.parametrize("expression", HARMFUL, ids=range(len(HARMFUL)))
def test_an_expression_is_words_and_never_code(server, tmp_path, expression):
    marker = tmp_path / "executed"
    expression = expression.replace("{marker}", str(marker))
    response = server.infer("oblique", {"prompt": expression})
    assert response.status_code == 200, response.text
    assert response.json()["answers"][0]["expression"] == expression.strip()
    assert not marker.exists()


@pytest.mark.parametrize("key", ["image", "session", "model", "image_path"])
def test_params_may_not_name_a_file_of_the_server(server, tmp_path, key):
    save_mask(tmp_path / "secret.nii.gz", scene()[0], np.diag((-1, -1, 1, 1)))
    response = server.infer("oblique", {"prompt": "the dark lesion", key: str(tmp_path / "secret.nii.gz")})
    assert response.status_code == 400
    assert f"params may not hold {key}" in response.json()["detail"]


@pytest.mark.parametrize("place", ["absolute", "relative"])
def test_the_address_may_not_name_a_file_of_the_server(server, tmp_path, place):
    save_mask(tmp_path / "secret.nii.gz", scene()[0], np.diag((-1, -1, 1, 1)))
    image = str(tmp_path / "secret.nii.gz") if place == "absolute" else "../secret"
    response = server.infer(image, {"prompt": "the dark lesion"})
    assert response.status_code == 400
    assert "paths are not accepted" in response.json()["detail"]


def test_background_tasks_may_not_read_a_file_of_the_server(server, tmp_path):
    secret = tmp_path / "secret.nii.gz"
    save_mask(secret, scene()[0], np.diag((-1, -1, 1, 1)))
    params = {"prompt": "the dark lesion", "images": [str(secret)], "max_workers": 1}
    answers = server.post("/batch/infer/lsms?run_sync=true", json=params).json()
    assert "there is no study" in answers[str(secret)]["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "/datastore/image?image=../../evil"),
        ("put", "/datastore/label?image=oblique&tag=../../evil"),
        ("get", "/datastore/label?label=oblique&tag=../.."),
        ("post", "/infer/lsms?session_id=../../evil"),
    ],
)
def test_no_name_leads_out_of_the_studies_folder(server, method, path):
    files = {"file": ("evil.nii.gz", b"evil"), "label": ("evil.nii.gz", b"evil")} if method == "put" else None
    response = getattr(server, method)(path, files=files)
    assert response.status_code == 400
    assert "paths are not accepted" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/info/", "/lsms/api/studies", "/datastore/image?image=oblique"])
def test_pages_of_other_servers_may_not_use_it(server, path):
    response = server.get(path, headers={"Origin": "http://evil.example.org"})
    assert response.status_code == 403
    assert "may not use this server" in response.json()["detail"]
    assert server.get(path, headers={"Origin": server.address}).status_code == 200


def test_archives_are_not_unpacked(server):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../evil.txt", "evil")
    response = server.put("/session/?uncompress=true", files={"files": ("evil.zip", buffer.getvalue())})
    assert response.status_code == 400
    assert "uncompress is not supported" in response.json()["detail"]


def test_a_request_may_not_choose_what_background_processes_import(server, tmp_path):
    (tmp_path / "torch.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()")
    params = {"prompt": "the dark lesion", "bundle_path": str(tmp_path)}
    server.post("/scoring/disagreement", json=params)
    server.wait("/scoring/")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("tag", ["../../evil", "a/b", ""])
def test_a_label_is_saved_under_a_plain_tag_only(server, studies, tag):
    response = server.infer("healthy", {"prompt": "the dark lesion", "save_label": True, "label_tag": tag})
    if tag:
        assert response.status_code == 400
        assert "label_tag must be a word" in response.json()["detail"]
    assert {path.name for path in (studies / "labels").iterdir()} <= {"final", "original"}


def test_the_shipped_weights_cannot_be_replaced(server, bundle):
    before = (bundle / "models" / "model.pt").read_bytes()
    response = server.put("/model/lsms", files={"file": ("model.pt", b"evil")})
    assert response.status_code >= 400
    assert response.json()["detail"]
    assert (bundle / "models" / "model.pt").read_bytes() == before


@pytest.mark.parametrize("path", ["/proxy/dicom/qido/studies", "/logs/gpu", "/datastore/dataset"])
def test_what_fails_inside_answers_in_words(server, path):
    response = server.get(path)
    assert response.status_code < 500 or "its log says where" in json.loads(response.text)["detail"]
