# SPDX-License-Identifier: Apache-2.0
"""The application as a process of its own, as a MAP starts it; and the faults of the SDK that we go around."""

import os
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
from monai.deploy.core import Application
from monai.deploy.operators import DICOMDataLoaderOperator, DICOMSeriesToVolumeOperator

import lsms_monai


def run_as_a_map(tmp_path, bundle):
    """Start the tree that is given to the packager with nothing but the variables that a MAP sets."""
    tree = make_map.stage(tmp_path / "map", bundle)
    environment = {
        **os.environ,
        "HOLOSCAN_INPUT_PATH": str(tmp_path / "in"),
        "HOLOSCAN_OUTPUT_PATH": str(tmp_path / "out"),
        "HOLOSCAN_MODEL_PATH": str(tree / "models"),
        "PYTHONPATH": str(Path(__file__).parents[1] / "apps"),  # the network of the stub bundle
    }
    command = [sys.executable, tree / "app"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_the_tree_for_the_packager_runs_with_the_variables_of_a_map_and_a_file(tmp_path, bundle):
    write_series(tmp_path / "in")
    (tmp_path / "in" / "prompts.json").write_text('["the dark lesion"]')
    done = run_as_a_map(tmp_path, bundle)
    assert done.returncode == 0, done.stderr
    seg = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm")
    assert seg.SegmentSequence[0].SegmentDescription == "the dark lesion"


def test_the_exit_status_of_the_process_is_1_and_the_last_line_says_why(tmp_path, bundle):
    (tmp_path / "in").mkdir()
    done = run_as_a_map(tmp_path, bundle)
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
