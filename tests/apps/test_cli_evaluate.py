# SPDX-License-Identifier: Apache-2.0
"""`lsms evaluate` and `lsms sensitivity` from the outside, with the stub bundle."""

import json

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from stub import AFFINE, scene

from lsms_monai.cli import main

DARK, BRIGHT = "the dark lesion", "the bright lesion"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def datalist(tmp_path):
    """The stub's scene, the dark lesion 1 and the bright one 2, in both sections."""
    image, masks = scene()
    label = masks["dark"] * 1 + masks["bright"] * 2
    nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / "ct.nii.gz")
    nib.save(nib.Nifti1Image(label.astype(np.uint8), AFFINE), tmp_path / "label.nii.gz")
    files = {"image": "ct.nii.gz", "label": "label.nii.gz"}
    entries = [{**files, "expression": text, "label_value": [n]} for n, text in ((1, DARK), (2, BRIGHT))]
    validation = [{**entries[0], "patient_id": "another"}]
    (tmp_path / "datalist.json").write_text(json.dumps({"test": entries, "validation": validation}))
    return tmp_path / "datalist.json"


@pytest.fixture
def evaluate(stub_bundle, datalist, tmp_path):
    """`lsms evaluate` of the stub into tmp_path / "out"."""
    place = ("--bundle", stub_bundle, "-o", tmp_path / "out", "--no-plots", "--paraphrases", 1)
    return lambda *arguments: run("evaluate", datalist, *place, *arguments)


def test_evaluate_writes_the_report_and_says_the_figures(evaluate, tmp_path):
    result = evaluate()
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["records.csv", "report.json", "report.md"]
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    figure = content["figures"]["dice_named"]
    assert (
        f"Dice of the named lesion, images with ≥ 2 lesions: {figure['value']:.3f} [2 of 1 patients]" in result.stdout
    )
    assert (content["about"]["model"], content["about"]["section"]) == ("Two words", "test")
    assert figure["value"] > 0.9
    assert content["figures"]["pointing"]["value"] == 1


def test_the_validation_section_prints_a_threshold_to_give_to_the_test(evaluate):
    printed = [line for line in evaluate("--section", "validation").stdout.splitlines() if "threshold" in line]
    assert "chosen on this section, for T-acc >= 0.95" in printed[0]
    threshold = printed[0].split()[2]
    result = evaluate("--existence-threshold", threshold, "--overwrite")
    assert f"Existence threshold {threshold} (given)" in result.stdout


def test_an_earlier_report_is_replaced_only_with_overwrite(evaluate):
    assert evaluate().exit_code == 0
    refused = evaluate()
    assert refused.exit_code == 1
    assert "out holds the results of an earlier run (records.csv); choose another --output-dir" in refused.stderr
    assert evaluate("--overwrite").exit_code == 0


def test_a_report_replaces_no_file_of_other_people(evaluate, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "records.csv").write_text("precious")
    assert evaluate().exit_code == 1
    assert (tmp_path / "out" / "records.csv").read_text() == "precious"


def test_overwriting_a_report_removes_its_pictures_and_leaves_segmentations(evaluate, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("dice_by_size.png", "worst_2.png", "answer.json", "01_the-cyst_seg.nii.gz"):
        (tmp_path / "out" / name).write_text("old")
    assert evaluate("--overwrite").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["01_the-cyst_seg.nii.gz", "answer.json", "records.csv", "report.json", "report.md"]


def test_an_image_that_is_not_there_is_skipped_on_request(evaluate, datalist, tmp_path):
    content = json.loads(datalist.read_text())
    content["test"].append({**content["test"][0], "image": "gone.nii.gz"})
    datalist.write_text(json.dumps(content))
    assert 'entry 2: "image" must exist' in evaluate().stderr
    result = evaluate("--skip-broken")
    assert result.exit_code == 0
    assert "Left out: 1 images" in result.output
    (reason,) = json.loads((tmp_path / "out" / "report.json").read_text())["skipped"]
    assert "gone.nii.gz" in str(reason)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--section", "tuning"), 'must have a section "tuning"'), (("--device", "gpu"), "device must be cpu, cuda")],
)
def test_what_cannot_be_evaluated_is_one_line_and_leaves_nothing(evaluate, tmp_path, arguments, message):
    result = evaluate(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_sensitivity_prints_a_table_and_writes_its_figures(stub_bundle, datalist, tmp_path):
    out = tmp_path / "check.json"
    result = run("sensitivity", tmp_path / "ct.nii.gz", DARK, "--bundle", stub_bundle, "-o", out)
    assert result.exit_code == 0, result.stderr
    content = json.loads(out.read_text())
    assert content["expression"] == DARK
    for row in content["rows"]:
        assert row["text"] in result.stdout
    assert "Left/right: not checked, the expression names no side" in result.stdout


def test_sensitivity_replaces_a_file_only_with_overwrite(stub_bundle, datalist, tmp_path):
    (tmp_path / "check.json").write_text("precious")
    ask = ("sensitivity", tmp_path / "ct.nii.gz", DARK, "--bundle", stub_bundle, "-o", tmp_path / "check.json")
    refused = run(*ask)
    assert refused.exit_code == 1
    assert "check.json exists already; choose another name, or replace it with --overwrite" in refused.stderr
    assert (tmp_path / "check.json").read_text() == "precious"
    assert run(*ask, "--overwrite").exit_code == 0
    assert json.loads((tmp_path / "check.json").read_text())["image"]


def test_sensitivity_refuses_what_it_cannot_use(stub_bundle, datalist, tmp_path):
    place = ("--bundle", stub_bundle)
    assert "must not be empty" in run("sensitivity", tmp_path / "ct.nii.gz", " ", *place).stderr
    refused = run("sensitivity", tmp_path / "ct.nii.gz", DARK, *place, "-o", tmp_path / "absent" / "a.json")
    assert "absent must be an existing folder, got none; make it or choose another" in refused.stderr
