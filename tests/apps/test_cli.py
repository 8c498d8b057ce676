# SPDX-License-Identifier: Apache-2.0
"""What a person at a terminal gets: files, one line per error or warning, an exit status, and help at once."""

import json
import re
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from stub import AFFINE, CountImages, scene

import lsms_monai
from lsms_monai.cli import main
from lsms_monai.cli.shell import default_bundle

DARK, BRIGHT = "the dark lesion", "the bright lesion"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def save(path, image, affine=AFFINE):
    nib.save(nib.Nifti1Image(image, affine), path)
    return path


def error_of(result):
    """The one line on which a refused command says why."""
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert errors == result.stderr.splitlines()[-1:]
    return errors[0]


@pytest.fixture
def ct(tmp_path):
    """A NIfTI of the stub's scene."""
    return save(tmp_path / "ct.nii.gz", scene()[0])


@pytest.fixture
def segment(stub_bundle, tmp_path):
    """`lsms segment` with the stub bundle into tmp_path / "out"."""
    return lambda *arguments: run("segment", *arguments, "--bundle", stub_bundle, "-o", tmp_path / "out")


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys\nfrom lsms_monai.cli import main\n"
        "for words in (['--help'], ['segment', '-h'], ['phantom', '-h'], ['--version']):\n"
        "    main(words, standalone_mode=False)\n"
        "heavy = {'torch', 'monai', 'numpy', 'scipy', 'nibabel', 'PIL', 'SimpleITK', 'transformers'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert lsms_monai.__version__ in done.stdout


def test_help_shows_examples_and_the_files_to_expect():
    text = run("segment", "--help").output
    assert 'lsms segment ct.nii.gz "the largest lesion in the right lobe" -o results' in text
    assert "answer.json" in text
    assert "not a medical device" in (overview := run("--help").output)
    assert re.findall(r"^ +lsms (\w+) ", overview, re.MULTILINE) == ["phantom", "segment", "describe", "evaluate"]


def test_segment_writes_mask_picture_and_numbers_for_each_expression(segment, ct, tmp_path):
    result = segment(ct, DARK, BRIGHT)
    assert result.exit_code == 0, result.stderr
    content = json.loads((tmp_path / "out" / "answer.json").read_text())
    for answer, mask in zip(content["answers"], scene()[1].values(), strict=True):
        written = nib.load(tmp_path / "out" / answer["segmentation"])
        np.testing.assert_array_equal(np.asarray(written.dataobj), mask)
        assert abs(written.affine - AFFINE).max() < 1e-4
        assert (tmp_path / "out" / answer["overlay"]).is_file()
        assert answer["summary"] in result.stdout
        assert answer["resolution"] in result.stdout
    assert (content["model"]["name"], content["model"]["version"]) == ("Two words", "1.2.3")
    assert content["image"] == str(ct)
    assert content["warnings"] == []
    assert content["duration_s"] >= content["answers"][0]["duration_s"]


def test_nothing_found_is_an_answer(segment, tmp_path):
    image = np.full((16, 16, 3), 100, np.int16)
    image[0] = -1000
    result = segment(save(tmp_path / "ct.nii", image), BRIGHT)
    assert result.exit_code == 0
    assert "Not found: no part of the image matches the expression." in result.stdout


def test_words_never_become_a_path(segment, ct, tmp_path):
    assert segment(ct, "../../evil", "/etc/evil", "$(touch evil)").exit_code == 0
    assert not list(tmp_path.rglob("evil"))
    assert len(list((tmp_path / "out").iterdir())) == 7


def write_4d(path):
    return save(path / "4d.nii.gz", np.zeros((4, 4, 4, 2), np.int16))


def write_rgb(path):
    Image.new("RGB", (8, 8)).save(path / "rgb.png")
    return path / "rgb.png"


def write_text(path):
    (path / "text.nii.gz").write_text("no image")
    return path / "text.nii.gz"


def write_nan(path):
    return save(path / "nan.nii.gz", np.full((4, 4, 4), np.nan, np.float32))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path / "absent.nii.gz", "image not found: .*absent.nii.gz; give a CT file or the folder"),
        (lambda path: path / "bundle", "DICOM"),
        (lambda path: path / "bundle" / "LICENSE", "image not found"),
        (write_text, "text.nii.gz"),
        (write_4d, "4-D|3-D|three"),
        (write_rgb, "grey"),
        (write_nan, "image must have finite intensities, got none"),
    ],
)
def test_an_image_that_cannot_be_used_is_one_line_and_leaves_nothing(segment, tmp_path, write, message):
    assert re.search(message, error_of(segment(write(tmp_path), DARK)))
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".lsms*"))


@pytest.mark.parametrize("words", ["", " \t", "\n"])
def test_an_empty_expression_is_refused_before_anything_is_computed(segment, ct, words):
    CountImages.num_calls = 0
    message = "expression 2 of 2 must not be empty; name the lesion in words"
    assert message in error_of(segment(ct, DARK, words))
    assert CountImages.num_calls == 0


def test_no_expression_at_all_is_a_usage_error(segment, ct):
    result = segment(ct)
    assert result.exit_code == 2
    assert "Missing argument 'EXPRESSION" in result.stderr


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_computed(ct, stub_bundle, tmp_path):
    (tmp_path / "file").write_text("mine")
    CountImages.num_calls = 0
    result = run("segment", ct, DARK, "--bundle", stub_bundle, "-o", tmp_path / "file" / "out")
    assert "out cannot be written (Not a directory); choose another one" in error_of(result)
    assert "must be a folder" in error_of(run("segment", ct, DARK, "--bundle", stub_bundle, "-o", tmp_path / "file"))
    assert CountImages.num_calls == 0


def test_earlier_results_are_replaced_only_with_overwrite(segment, ct, tmp_path):
    assert segment(ct, DARK, BRIGHT).exit_code == 0
    assert "holds the results of an earlier run" in error_of(segment(ct, DARK))
    assert segment(ct, DARK, "--overwrite").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["01_the-dark-lesion_overlay.png", "01_the-dark-lesion_seg.nii.gz", "answer.json"]


def test_a_missing_bundle_is_one_line(ct, tmp_path):
    result = run("segment", ct, DARK, "--bundle", tmp_path / "absent", "-o", tmp_path / "out")
    assert "bundle not found: " in error_of(result)


def test_missing_weights_and_a_missing_device_are_one_line(segment, stub_bundle, ct):
    assert "device must be cpu, cuda or cuda:N, got 'gpu'" in error_of(segment(ct, DARK, "--device", "gpu"))
    (stub_bundle / "models" / "model.pt").unlink()
    assert "weights not found: " in error_of(segment(ct, DARK))


def test_warnings_are_single_lines_and_on_record(segment, tmp_path):
    image = np.full((16, 16, 3), 100, np.float32)
    image[0, 0, 0] = np.nan
    result = segment(save(tmp_path / "ct.nii", image), "glow " * 40)
    assert result.exit_code == 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(lines) == 4
    assert "1 voxels that are NaN or infinite" in lines[0]
    assert "intensities lie in 100..100, a CT in Hounsfield units reaches below -200" in lines[1]
    assert "expression has 42 tokens, max_length is 16" in lines[2]
    assert lines[3].endswith("has words that the model does not know: glow")
    content = json.loads((tmp_path / "out" / "answer.json").read_text())
    assert [f"Warning: {text}" for text in content["warnings"]] == lines


def test_a_picture_is_taken_with_a_warning_about_its_unknown_size(segment, tmp_path):
    Image.fromarray(np.full((16, 12), 170, np.uint8)).save(tmp_path / "slice.png")
    result = segment(tmp_path / "slice.png", BRIGHT)
    assert result.exit_code == 0
    assert "Warning: a picture does not say how large a pixel is" in result.stderr
    assert nib.load(tmp_path / "out" / "01_the-bright-lesion_seg.nii.gz").shape == (12, 16, 1)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt, 130, "Interrupted: nothing was written."),
        (RuntimeError("out of\n memory"), 1, "Error: out of memory"),
        (KeyError("x"), 1, "Error: unexpected KeyError, please report it: 'x'"),
    ],
)
def test_whatever_happens_during_the_work_ends_in_one_line(segment, ct, tmp_path, monkeypatch, error, status, line):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("lsms_monai.predictor.BundlePredictor.predict", fail)
    result = segment(ct, DARK)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (status, line)
    assert "Traceback" not in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "ct.nii.gz"]


def test_the_bundle_of_the_working_directory_is_the_default(stub_bundle, ct, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("segment", ct, DARK, "-o", "out").exit_code == 0
    assert json.loads((tmp_path / "out" / "answer.json").read_text())["model"]["bundle"] == "bundle"


def test_elsewhere_the_bundle_of_the_installation_is_the_default(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(tmp_path)
    assert default_bundle() == repository / "bundle"


def test_phantom_writes_a_data_set_and_says_what_to_try(tmp_path):
    result = run("phantom", tmp_path / "phantoms", "--patients", 2, "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "phantoms" / "datalist.json").is_file()
    assert f"Try: lsms segment {tmp_path}/phantoms/images/" in result.stdout
    assert "must be new or empty" in error_of(run("phantom", tmp_path / "phantoms"))


def test_phantom_volumes_have_slices(tmp_path):
    assert run("phantom", tmp_path / "phantoms", "--patients", 1, "--volumes").exit_code == 0
    (image,) = (tmp_path / "phantoms" / "images").iterdir()
    assert nib.load(image).shape == (160, 160, 24)
