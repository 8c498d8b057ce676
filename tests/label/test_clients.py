# SPDX-License-Identifier: Apache-2.0
"""What 3D Slicer and OHIF send: the former by MONAI Label's own class, the latter as its page was seen to do."""

import pytest
from monailabel.client import MONAILabelClient
from scenes import dice, scene

from lsms_monai.data import CTReader

SLICER = {"prompt": "the bright lesion", "weights": "newest", "result_extension": ".nrrd", "result_dtype": "uint8"}
OHIF = {
    "prompt": "the hypodense lesion",
    "result_extension": ".nrrd",
    "result_dtype": "uint8",
    "result_compress": False,
    "restore_label_idx": False,
}


@pytest.fixture
def client(server, tmp_path):
    """The class with which 3D Slicer's plugin asks."""
    return MONAILabelClient(server.address, tmpdir=str(tmp_path))


def assert_shows(path, word):
    reader = CTReader()
    voxels, _ = reader.get_data(reader.read(path))
    assert dice(voxels == 1, scene()[1][word]) > 0.9


def test_slicer_gets_a_segment_named_by_its_expression(client):
    path, answer = client.infer("lsms", "oblique", SLICER)
    assert answer["label_names"] == {"the bright lesion": 1}
    assert_shows(path, "bright")


def test_slicer_may_ask_about_a_volume_that_is_not_among_the_studies(client, studies):
    session = client.create_session(str(studies / "as_nrrd.nrrd"))["session_id"]
    path, answer = client.infer("lsms", "", SLICER, session_id=session)
    assert answer["label_names"] == {"the bright lesion": 1}
    assert_shows(path, "bright")
    client.remove_session(session)


def test_ohif_gets_the_mask_alone(server, tmp_path):
    response = server.infer("oblique", OHIF, output="image")
    assert response.status_code == 200, response.text
    (tmp_path / "mask.nrrd").write_bytes(response.content)
    assert_shows(tmp_path / "mask.nrrd", "dark")
