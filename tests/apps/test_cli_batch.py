# SPDX-License-Identifier: Apache-2.0
"""Many studies: each answered once, whatever is killed on the way."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from filelock import FileLock
from stub import AFFINE, config, scene, transform, write_bundle

from lsms_monai.cli import main
from lsms_monai.cli.batch import LOCK_FILE
from lsms_monai.cli.study import Study, find_studies, is_finished, segment_study
from lsms_monai.report import ANSWER_FILE

DARK, BRIGHT = "the dark lesion", "the bright lesion"
MODEL = {"name": "Two words", "version": "1.2.3"}
NUM_STUDIES = 6


def save(path, lowest=-1000):
    """The stub's scene in a file; its smallest HU tells it from others."""
    image = scene()[0]
    image[0, 0, 0] = lowest
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image, AFFINE), path)
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["batch", *map(str, arguments)])


def error_of(result):
    assert result.exit_code == 1
    return result.stderr.splitlines()[-1]


def test_each_image_below_a_folder_is_a_study_at_the_same_place(tmp_path):
    for name in ("a.nii.gz", "ward/b.nii", "ward/v1.2.nrrd"):
        save(tmp_path / name) if "nii" in name else (tmp_path / name).touch()
    studies = find_studies(tmp_path, [DARK, BRIGHT, DARK])
    assert [study.name for study in studies] == ["a", "ward/b", "ward/v1.2"]
    assert studies[0] == Study("a", str(tmp_path / "a.nii.gz"), (DARK, BRIGHT))


def test_the_results_of_a_run_are_no_studies_of_the_next(tmp_path, monkeypatch):
    for name in ("ct1.nii.gz", ".Trash/old.nii", "results/ct1/01_the-dark-lesion_seg.nii.gz"):
        save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for place in (Path(), tmp_path):
        studies = find_studies(place, [DARK], output_dir=Path("results"))
        assert studies == [Study("ct1", str(tmp_path / "ct1.nii.gz"), (DARK,))]


def test_the_results_of_a_run_with_another_output_are_no_studies_either(tmp_path):
    of_before = tmp_path / "before" / "ct1"
    for path in (tmp_path / "ct1.nii.gz", of_before / "01_the-dark-lesion_seg.nii.gz", of_before / ANSWER_FILE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [study.name for study in find_studies(tmp_path, [DARK], output_dir=tmp_path / "new")] == ["ct1"]
    with pytest.raises(FileNotFoundError, match=r"must hold images, got only results of earlier runs; name"):
        find_studies(of_before, [DARK])


def test_results_among_the_studies_are_refused(tmp_path):
    save(tmp_path / "a.nii")
    message = f"results need a folder of their own, got that of the studies, {tmp_path}; choose another --output-dir"
    assert message in error_of(run(tmp_path, DARK, "-o", tmp_path))


def test_a_datalist_asks_each_image_for_its_own_expressions(tmp_path):
    asked = [("a", DARK), ("b", DARK), ("a", BRIGHT)]
    entries = [{"image": str(save(tmp_path / f"ct/{name}.nii")), "expression": text} for name, text in asked]
    (tmp_path / "list.json").write_text(json.dumps({"test": entries}))
    studies = find_studies(tmp_path / "list.json", [])
    assert {study.name: study.expressions for study in studies} == {"ct/a": (DARK, BRIGHT), "ct/b": (DARK,)}


def test_images_beside_the_folder_of_their_datalist_keep_their_results_in_the_output(tmp_path):
    image = save(tmp_path / "images" / "ct.nii")
    (tmp_path / "lists").mkdir()
    content = {"test": [{"image": "../images/ct.nii", "expression": DARK}]}
    (tmp_path / "lists" / "list.json").write_text(json.dumps(content))
    (study,) = find_studies(tmp_path / "lists" / "list.json", [])
    assert (study.name, Path(study.image).samefile(image)) == ("ct", True)


def test_expressions_come_from_one_side(tmp_path):
    message = "expressions are given after a folder, and stand in the entries of a datalist; got"
    for arguments in ((tmp_path,), (tmp_path / "list.json", DARK)):
        assert message in error_of(run(*arguments, "-o", tmp_path / "out"))


def test_two_images_never_share_a_folder(tmp_path):
    save(tmp_path / "a.nii")
    save(tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r"each study needs an output folder of its own, got 'a' for .* rename one"):
        find_studies(tmp_path, [DARK])


def test_a_study_is_finished_when_its_answer_is_there(tmp_path, stub_bundle):
    (study,) = find_studies(save(tmp_path / "ct" / "a.nii"), [DARK])
    weights = hashlib.sha256((stub_bundle / "models" / "model.pt").read_bytes()).hexdigest()
    config = hashlib.sha256((stub_bundle / "configs" / "inference.json").read_bytes()).hexdigest()
    model = {
        **MODEL,
        "weights_sha256": weights,
        "inference_sha256": config,
        "bundle": str(stub_bundle),
        "lsms_monai": "0.1.0",
    }
    (tmp_path / "out" / "a" / ".lsms-killed").mkdir(parents=True)
    assert not is_finished(study, tmp_path / "out", model)
    segment_study(study, tmp_path / "out", stub_bundle, "cpu")
    assert is_finished(study, tmp_path / "out", model)
    written = sorted(path.name for path in (tmp_path / "out" / "a").iterdir())
    assert written == ["01_the-dark-lesion_overlay.png", "01_the-dark-lesion_seg.nii.gz", "answer.json"]
    mask = np.asarray(nib.load(tmp_path / "out" / "a" / written[1]).dataobj)
    np.testing.assert_array_equal(mask, scene()[1]["dark"])


def test_warnings_of_a_study_stand_in_its_answer(tmp_path, stub_bundle, capsys):
    (study,) = find_studies(save(tmp_path / "a.nii"), ["the glowing lesion"])
    segment_study(study, tmp_path / "out", stub_bundle, "cpu")
    warnings = json.loads((tmp_path / "out" / "a" / "answer.json").read_text())["warnings"]
    assert warnings == ["“the glowing lesion” has words that the model does not know: glowing"]
    assert capsys.readouterr().err == ""


def test_a_second_command_keeps_out_of_the_results(tmp_path, stub_bundle):
    save(tmp_path / "ct" / "a.nii")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / LOCK_FILE):
        result = run(tmp_path / "ct", DARK, "-o", tmp_path / "out", "--bundle", stub_bundle)
    assert "one lsms batch at a time may write into" in error_of(result)
    assert not (tmp_path / "out" / "a").exists()


def test_without_dask_the_remedy_is_named(tmp_path, stub_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    result = run(save(tmp_path / "a.nii"), DARK, "-o", tmp_path / "out", "--bundle", stub_bundle)
    assert error_of(result).endswith("lsms batch needs Dask, it is not installed; run: pip install 'lsms-monai[batch]'")


@pytest.fixture
def ward(tmp_path):
    """Studies, and a bundle that notes who begins them and takes its time."""
    for number in range(NUM_STUDIES):
        save(tmp_path / "ct" / f"{number}.nii", lowest=-1001 - number)
    content = config()
    (tmp_path / "log").touch()
    content["preprocessing"]["transforms"].insert(1, transform("stub.LogImages", path=str(tmp_path / "log"), seconds=1))
    write_bundle(tmp_path / "bundle", content)
    return tmp_path


def start(ward):
    command = [sys.executable, "-m", "lsms_monai", "batch", "ct", DARK, "-o", "out", "--bundle", "bundle"]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(
        [*command, "--workers", "2"],
        cwd=ward,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(ward):
    """(process, smallest HU) of each time that a study was begun."""
    return [tuple(map(int, line.split())) for line in (ward / "log").read_text().splitlines()]


def answers(ward):
    return {path.parent.name: path.stat().st_mtime_ns for path in (ward / "out").glob("*/answer.json")}


def wait_until(condition, process):
    for _ in range(6000):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail("nothing happened in five minutes")


@pytest.mark.slow
def test_a_killed_worker_loses_the_study_in_hand_and_no_other(ward):
    process = start(ward)
    wait_until(lambda: len(answers(ward)) >= 1 and len(begun(ward)) >= 3, process)
    victim, study = begun(ward)[-1]
    os.kill(victim, signal.SIGKILL)
    output, errors = process.communicate(timeout=600)
    assert (process.returncode, output) == (0, f"{NUM_STUDIES} studies answered, 0 failed: out\n"), errors
    assert len(answers(ward)) == NUM_STUDIES
    times = [[lowest for _, lowest in begun(ward)].count(-1001 - number) for number in range(NUM_STUDIES)]
    assert times == [2 if -1001 - number == study else 1 for number in range(NUM_STUDIES)]
    assert [worker for worker, lowest in begun(ward) if lowest == study][1] != victim


@pytest.mark.slow
def test_the_same_command_goes_on_where_it_was_killed(ward):
    process = start(ward)
    wait_until(lambda: len(answers(ward)) >= 2, process)
    process.kill()
    process.communicate()
    time.sleep(3)  # its workers notice
    finished, before = answers(ward), len(begun(ward))
    assert len(finished) < NUM_STUDIES
    process = start(ward)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert f"{len(finished)} of {NUM_STUDIES} studies have an answer already" in output
    assert len(begun(ward)) - before == NUM_STUDIES - len(finished)
    assert len(answers(ward)) == NUM_STUDIES
    assert finished.items() <= answers(ward).items()
    assert {path.name for path in (ward / "out").rglob(".lsms*")} == {LOCK_FILE}


def test_an_interruption_says_that_the_same_command_goes_on(tmp_path, stub_bundle, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["lsms_monai.cli.batch"], "_client", interrupt)
    result = run(save(tmp_path / "a.nii"), DARK, "-o", tmp_path / "out", "--bundle", stub_bundle)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "Interrupted: finished studies stay; the same command goes on."


@pytest.mark.slow
def test_a_study_that_cannot_be_read_fails_alone(ward):
    (ward / "ct" / "3.nii").write_text("no image")
    output, errors = start(ward).communicate(timeout=600)
    assert output == f"{NUM_STUDIES - 1} studies answered, 1 failed: out\n"
    assert "Failed: 3: " in errors
    assert "3.nii must be a NIfTI image that can be read" in errors
    assert "Traceback" not in errors
    assert len(answers(ward)) == NUM_STUDIES - 1
