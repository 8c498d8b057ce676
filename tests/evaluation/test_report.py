# SPDX-License-Identifier: Apache-2.0
"""What an evaluation leaves behind."""

import csv
import json
import re
import sys

import nibabel as nib
import numpy as np
import pytest
from listeners import AFFINE, EXPRESSIONS, VALUES, Listener, make_case
from PIL import Image

from lsms_monai.evaluation import (
    REPORT_FILES,
    draw_examples,
    draw_plots,
    evaluate,
    group_entries,
    pick_examples,
    require_matplotlib,
    summarize,
    write_evaluation,
)

ABOUT = {"model": "Two words", "version": "1", "section": "test", "datalist": "list.json"}


def write_groups(folder):
    """Two patients with the image of `make_case`."""
    case, entries = make_case(), []
    for patient in ("p", "q"):
        for name, array in (("image", case.image), ("label", case.label.astype(np.uint8))):
            nib.save(nib.Nifti1Image(array, AFFINE), folder / f"{patient}_{name}.nii.gz")
        paths = {key: str(folder / f"{patient}_{key}.nii.gz") for key in ("image", "label")}
        pairs = zip(EXPRESSIONS, VALUES, strict=True)
        entries += [{**paths, "expression": t, "label_value": v, "patient_id": patient} for t, v in pairs]
    return group_entries(entries)


@pytest.fixture
def groups(tmp_path):
    return write_groups(tmp_path)


@pytest.mark.usefixtures("paraphrased")
def test_every_image_is_asked_and_counted(groups):
    done = []
    records, skipped = evaluate(Listener(), groups, num_paraphrases=1, progress=done.append)
    assert done == [1, 2]
    assert skipped == []
    assert {record.patient_id for record in records} == {"p", "q"}
    assert summarize(records)["num_expressions"] == 6
    foreign = {r.expression: r.text for r in records if r.wording == "shuffled"}
    assert all(text != expression for expression, text in foreign.items())


@pytest.mark.usefixtures("paraphrased")
def test_a_broken_image_stops_the_evaluation_unless_it_may_be_skipped(groups, tmp_path):
    (tmp_path / "q_image.nii.gz").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"entry 3 .*q_image.*; repair it, or leave such images out by --skip-broken"):
        evaluate(Listener(), groups)
    records, skipped = evaluate(Listener(), groups, skip_broken=True)
    assert {record.patient_id for record in records} == {"p"}
    assert re.match(r"entry 3 .*q_image", *skipped)
    with pytest.raises(ValueError, match="at least one image must be usable, got none of 1"):
        evaluate(Listener(), groups[1:], skip_broken=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with everything, what `report.json` holds, and the records."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("out")
    groups = write_groups(tmp_path_factory.mktemp("data"))
    records, _ = evaluate(Listener(), groups, num_paraphrases=0)
    content = {"about": ABOUT, **summarize(records), "skipped": ["entry 9: gone"]}
    content["pictures"] = draw_plots(folder, records, content)
    content["pictures"] |= draw_examples(folder, Listener(), groups, pick_examples(records, 1))
    write_evaluation(folder, content, records)
    return folder, json.loads((folder / "report.json").read_text()), records


def test_the_report_holds_figures_with_intervals(written):
    folder, content, _ = written
    text = (folder / "report.md").read_text()
    assert content["figures"]["dice_named"] == {"value": 1, "low": 1, "high": 1, "num_samples": 4, "num_patients": 2}
    assert "| Dice of the named lesion, images with ≥ 2 lesions | 1.000 | 1.000 to 1.000 | 4 | 2 |" in text
    assert "6 expressions about 2 images of 2 patients" in text
    assert "| `precision_at_0.9` | 1.000 |" in text
    assert "entry 9: gone" in text


def test_every_table_of_the_report_is_whole(written):
    lines = (written[0] / "report.md").read_text().splitlines()
    tables = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len(tables) > 40
    widths = [line.count("|") for line in tables]
    heads = [i for i, line in enumerate(tables) if line.startswith("| --- ")]
    for start, stop in zip(heads, [*(head - 1 for head in heads[1:]), len(tables)], strict=True):
        assert len(set(widths[start - 1 : stop])) == 1


def test_every_picture_of_the_report_exists(written):
    folder, content, _ = written
    shown = re.findall(r"^!\[.*\]\((.+)\)$", (folder / "report.md").read_text(), re.MULTILINE)
    assert shown == list(content["pictures"])
    assert {"dice_by_wording.png", "dice_by_size.png", "calibration.png", "best_1.png", "worst_1.png"} <= set(shown)
    assert all(REPORT_FILES.fullmatch(name) for name in shown)
    for name in shown:
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200


def test_the_table_has_a_row_for_every_answer(written):
    folder, _, records = written
    with (folder / "records.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["wording"], row["text"]) for row in rows] == [(r.wording, r.text) for r in records]
    assert float(rows[0]["dice"]) == 1
    assert rows[0]["lesions"] == "0.800+"


def test_examples_are_the_best_the_median_and_the_worst(written):
    records = [r for r in written[2] if r.wording == "matched"]
    picked = pick_examples(records, 2)
    assert list(picked) == ["best_1", "best_2", "worst_1", "worst_2", "median_1", "median_2"]
    assert len({r.entry for r in picked.values()}) == 6
    assert len(pick_examples(records[:1])) == 1


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("lsms_monai.evaluation.plots.find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=r"pip install 'lsms-monai\[evaluate\]'`, or leave the plots out by --no-plots"
    ):
        require_matplotlib()
