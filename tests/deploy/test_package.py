# SPDX-License-Identifier: Apache-2.0
"""The application as a process of its own, as a MAP starts it; and the faults of the SDK that we go around.

The packager is the SDK's own. Docker alone is replaced, by a function that does the COPY lines of the Dockerfile.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import make_map
import numpy as np
import pydicom
import pytest
import yaml
from app import find_bundle
from dicom import write_series
from holoscan_cli.__main__ import main as packager_main
from holoscan_cli.packager import container_builder
from monai.deploy.core import Application
from monai.deploy.operators import DICOMDataLoaderOperator, DICOMSeriesToVolumeOperator

import lsms_monai

# What the packager would download: names of images, which only docker needs.
ARTIFACTS = {
    "wheel-version": "4.2.0",
    "debian-version": "4.2.0",
    "base-images": {"dgpu": "base"},
    "build-images": {"dgpu": {}, "igpu": {}, "cpu": {}},
}


@pytest.fixture
def image(bundle, repository, tmp_path, monkeypatch):
    """The file system of a MAP: what the documented command gives to docker, copied as its Dockerfile says."""
    text = (repository / "docs" / "monai_deploy.md").read_text().replace("\\\n", " ")
    command = re.search(r"^\.venv-deploy/bin/(monai-deploy package .*)$", text, re.MULTILINE)[1]
    command = re.sub(r"\$\(id -[ug]\)", "1000", command).split()
    (tmp_path / "artifacts.json").write_text(json.dumps({"4.2.0": {"holoscan": ARTIFACTS}}))
    make_map.stage(tmp_path / "dist" / "map", bundle)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [*command, "--source", "artifacts.json"])
    monkeypatch.setattr(container_builder, "create_and_get_builder", lambda name: name)
    monkeypatch.setattr(container_builder, "build_docker_image", lambda **asked: copy_as_docker(asked, tmp_path))
    packager_main()
    return tmp_path / "image"


def copy_as_docker(asked, folder):
    context, lines = Path(asked["context_path"]), Path(asked["file"]).read_text()
    for source, target in re.findall(r"^COPY \./(\S+)\s+(/\S+)$", lines, re.MULTILINE):
        place = folder / "image" / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (context / source).is_dir() else shutil.copy)(context / source, place)
    variables = dict(re.findall(r"^ENV (HOLOSCAN_\w+)=(\S*)$", lines, re.MULTILINE))
    (folder / "image" / "variables.json").write_text(json.dumps(variables))


def run_as_a_map(image, folder):
    """Start the command of the manifest with the variables of the image, its paths below `image`, and no others."""
    variables = json.loads((image / "variables.json").read_text())
    places = {name: f"{image}{path}" for name, path in variables.items() if path.startswith("/")}
    places |= {"HOLOSCAN_INPUT_PATH": str(folder / "in"), "HOLOSCAN_OUTPUT_PATH": str(folder / "out")}  # mounted
    python, *rest = json.loads(json.loads((image / "etc/holoscan/app.json").read_text())["command"])
    assert python == "python3"
    command = [sys.executable, *(f"{image}{word}" if word.startswith("/") else word for word in rest)]
    stub = {"PYTHONPATH": str(Path(__file__).parents[1] / "apps")}  # the network of the stub bundle
    environment = {**os.environ, **places, **stub}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_the_tree_of_the_packager_runs_with_the_variables_of_a_map_and_a_file(image, tmp_path):
    write_series(tmp_path / "in")
    (tmp_path / "in" / "prompts.json").write_text('["the dark lesion"]')
    done = run_as_a_map(image, tmp_path)
    assert done.returncode == 0, done.stderr
    seg = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm")
    assert seg.SegmentSequence[0].SegmentDescription == "the dark lesion"


def test_the_manifests_name_model_version_and_what_is_installed(image, repository):
    package = json.loads((image / "etc/holoscan/pkg.json").read_text())
    assert package["models"] == {"lsms": "/opt/holoscan/models/lsms"}
    assert package["version"] == lsms_monai.__version__
    requirements = (repository / "apps" / "deploy" / "requirements.txt").read_text()
    assert (image / "tmp" / "requirements.txt").read_text().strip() == requirements.strip()
    assert not list(image.rglob("__pycache__"))


def test_the_exit_status_of_the_process_is_1_and_the_last_line_says_why(image, tmp_path):
    (tmp_path / "in").mkdir()
    done = run_as_a_map(image, tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: at least one expression is required")
    assert "Traceback" not in done.stderr


def test_a_bundle_is_found_wherever_a_packager_puts_it(bundle, tmp_path):
    assert find_bundle(bundle) == find_bundle(bundle.parent) == find_bundle(tmp_path) == bundle
    with pytest.raises(FileNotFoundError, match=r"bundle not found: .*; give the folder with configs"):
        find_bundle(bundle / "models")


def test_the_package_says_the_version(repository):
    content = yaml.safe_load((repository / "apps" / "deploy" / "app.yaml").read_text())
    assert content["application"]["version"] == lsms_monai.__version__


def test_the_sdk_still_swaps_the_pixel_spacing(tmp_path):
    """When this fails, the SDK is mended, and docs/monai_deploy.md may say so."""
    application = Application()
    studies = DICOMDataLoaderOperator(application, name="load").load_data_to_studies(write_series(tmp_path / "in"))
    series = studies[0].get_all_series()[0]
    convert = DICOMSeriesToVolumeOperator(application, name="convert")
    convert.prepare_series(series)
    spacing = np.linalg.norm(np.asarray(series.nifti_affine_transform)[:3, :3], axis=0)
    np.testing.assert_allclose(spacing[:2], (0.9, 0.7))  # truth: 0.7 along a row, 0.9 along a column


def test_the_sdk_still_drops_one_of_two_images_at_the_same_place(tmp_path):
    folder = write_series(tmp_path / "in")
    (folder / "copy.dcm").write_bytes(next(folder.iterdir()).read_bytes())
    studies = DICOMDataLoaderOperator(Application(), name="load").load_data_to_studies(folder)
    assert len(studies[0].get_all_series()[0].get_sop_instances()) == 7
