# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the phantoms says what it measured."""

import json

import phantoms
import pytest


def test_there_is_one_json_line(capsys):
    phantoms.main(["--size", "32", "--spacing", "12", "--phantoms", "3"])
    record = json.loads(capsys.readouterr().out)
    assert (record["size"], record["spacing_mm"], record["phantoms"]) == (32, 12.0, 3)
    assert record["slices_per_cpu_s"] == pytest.approx(1e3 / record["ms_median"], rel=2)
    assert record["ms_slowest"] >= record["ms_median"] > 0


def test_nothing_cannot_be_measured(capsys):
    with pytest.raises(SystemExit):
        phantoms.main(["--phantoms", "0"])
    assert "must be positive" in capsys.readouterr().err
