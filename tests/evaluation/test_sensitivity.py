# SPDX-License-Identifier: Apache-2.0
"""One case in many wordings."""

import json

import numpy as np
import pytest
from listeners import AFFINE, Deaf, Listener, make_case

from lsms_monai.data import rewording
from lsms_monai.evaluation import sensitivity, sensitivity_table

RIGHT = "the lesion in the right lobe"


def ask(predictor, expression=RIGHT, image=None, affine=AFFINE):
    return sensitivity(predictor, make_case().image if image is None else image, affine, expression)


@pytest.mark.usefixtures("paraphrased")
def test_who_listens_passes():
    content = ask(Listener())
    assert content["flip_rate"] == 0
    assert content["worst"]["agreement"] == 1
    assert content["left_right"]["passed"] is True
    assert {row["wording"]: row["agreement"] for row in content["rows"]}["mirrored_words"] == 0


@pytest.mark.usefixtures("paraphrased")
def test_who_is_deaf_fails_left_and_right():
    content = ask(Deaf())
    assert content["left_right"]["passed"] is False
    assert "the other side's words keep 100% of the mask" in content["left_right"]["verdict"]


@pytest.mark.usefixtures("paraphrased")
def test_the_order_of_the_axes_does_not_matter():
    turned = AFFINE @ np.array([[-1, 0, 0, 30], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    content = ask(Listener(), image=make_case().image[::-1], affine=turned)
    assert content["left_right"]["passed"] is True


def test_the_worst_wording_is_the_one_that_agrees_least(monkeypatch):
    others = ["show " + RIGHT, "find " + RIGHT, "a cyst"]
    monkeypatch.setattr(rewording, "paraphrases", lambda text, generator, n, held_out=True: others)
    content = ask(Listener())
    assert content["worst"]["text"] == "a cyst"
    assert content["flip_rate"] == pytest.approx(1 / 3)
    assert "Worst wording, agreement 0.00: a cyst" in sensitivity_table(content)


@pytest.mark.usefixtures("paraphrased")
@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("all lesions", "not checked, the expression names no side"),
        ("a cyst on the left", "not checked, nothing was found"),
    ],
)
def test_left_and_right_are_checked_only_where_they_can_be(expression, verdict):
    content = ask(Listener(), expression)
    assert content["left_right"] == {"verdict": verdict, "passed": None}
    assert f"Left/right: {verdict}" in sensitivity_table(content)


def test_words_that_are_not_understood_have_no_paraphrases(monkeypatch):
    monkeypatch.setattr(rewording, "paraphrases", lambda text, generator, n, held_out=True: [])
    content = ask(Listener(), "thingy")
    assert content["flip_rate"] is None
    assert any("not understood" in line for line in sensitivity_table(content))


@pytest.mark.usefixtures("paraphrased")
def test_the_content_is_json_and_the_table_has_a_line_for_each_wording():
    content = ask(Listener())
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    lines = sensitivity_table(content)
    assert [line.split()[0] for line in lines[1 : 1 + len(content["rows"])]] == [
        row["wording"].split("_")[0] for row in content["rows"]
    ]
