# SPDX-License-Identifier: Apache-2.0
"""The table for the model card says what the JSON lines of a benchmark say."""

import io
import json

import pytest
import table

LINES = [
    {"model": "LSMS", "ms": 92.9, "torch": "2.13.0", "gmac": None, "values": [1, 2]},
    {"model": "Dyn|UNet", "ms": 141.0, "torch": "2.13.0", "scores": {"dice": 0.5, "iou": 0.4}},
]


def test_a_row_a_line_and_what_all_share_once():
    assert table.table(["", *map(json.dumps, LINES)]).splitlines() == [
        "| model | ms | values | scores |",
        "| --- | --- | --- | --- |",
        "| LSMS | 92.9 | 1, 2 |  |",
        "| Dyn\\|UNet | 141.0 |  | dice: 0.5, iou: 0.4 |",
        "",
        "torch 2.13.0",
    ]


def test_one_line_is_a_row_of_all_it_says():
    assert table.table(['{"a": 1, "b": true}']) == "| a | b |\n| --- | --- |\n| 1 | True |"


@pytest.mark.parametrize(
    ("text", "message"), [("", "got none"), ("{}\noops\n", "line 2 .* got 'oops'"), ("[1]", "line 1")]
)
def test_what_is_no_json_object_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        table.table(text.splitlines())


def test_the_command_ends_with_one_line_where_it_cannot_read(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}\n'))
    table.main()
    assert capsys.readouterr().out == "| a |\n| --- |\n| 1 |\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("none"))
    with pytest.raises(SystemExit, match=r"^Error: line 1 must be a JSON object"):
        table.main()
