# SPDX-License-Identifier: Apache-2.0
"""What an earlier run left of a study: its answer, that to something else, or nothing that can be read."""

import json

import pytest

from lsms_monai.cli.study import Study, is_finished

DARK, BRIGHT = "the dark lesion", "the bright lesion"
MODEL = {"name": "Two words", "version": "1.2.3"}
STUDY = Study("a", "a.nii", (DARK,))


@pytest.fixture
def answer(tmp_path):
    (tmp_path / "a").mkdir()
    return tmp_path / "a" / "answer.json"


@pytest.mark.parametrize(
    "change",
    [
        {"model": {}},
        {"model": {**MODEL, "weights_sha256": "1"}},
        {"image": "b.nii"},
        {"answers": [{"expression": BRIGHT}]},
        None,
    ],
)
def test_the_answer_to_something_else_is_not_taken_for_this_one(tmp_path, answer, change):
    content = {"image": "a.nii", "model": MODEL, "answers": [{"expression": DARK}]}
    answer.write_text(json.dumps({} if change is None else {**content, **change}))
    with pytest.raises(FileExistsError, match="a holds the answer to another image, model or expressions; choose"):
        is_finished(STUDY, tmp_path, MODEL)


@pytest.mark.parametrize(
    "content", ['{"image": "a.n', "[]", '{"answers": 3}', '{"answers": [{"found": true}]}', "\xff"]
)
def test_a_file_that_is_no_answer_is_named(tmp_path, answer, content):
    answer.write_bytes(content.encode("latin-1"))
    with pytest.raises(FileExistsError, match=r"answer\.json must be an answer that lsms batch wrote.*add --overwrite"):
        is_finished(STUDY, tmp_path, MODEL)
