# SPDX-License-Identifier: Apache-2.0
"""MONAI Deploy's own operators around the bundle as one TorchScript file give the mask of the bundle itself."""

import json
import shutil

import make_torchscript
import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom import errors_of_dciodvfy, lps_affine, write_series
from monai.bundle import ConfigWorkflow
from stock import main

from lsms_monai.data.dicom import read_dicom_folder
from lsms_monai.data.phantom import phantom
from lsms_monai.predictor import BundlePredictor

SQUARE_MM = (0.8, 0.8, 4.0)
LPS_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))


@pytest.fixture
def model(bundle, repository, tmp_path):
    """The stub bundle as one file."""
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    released = json.loads((repository / "bundle" / "configs" / "metadata.json").read_text())
    metadata["network_data_format"] = released["network_data_format"]
    (bundle / "configs" / "metadata.json").write_text(json.dumps(metadata))
    return make_torchscript.export(bundle, tmp_path / "model.ts")


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """Run the pipeline on tmp_path / "in"; gives the mask (W, H, D) on the voxels that our reader gives."""

    def run(model, expression):
        monkeypatch.setenv("LSMS_PROMPTS", expression)
        main([str(word) for word in ("stock", "-i", tmp_path / "in", "-o", tmp_path / "out", "-m", model)])
        (written,) = (tmp_path / "out").iterdir()
        return mask_of(written, *read_dicom_folder(tmp_path / "in"))

    return run


def mask_of(path, image, affine):
    """The one segment of a SEG, frame by frame at the slice where the frame lies."""
    seg, to_voxel = pydicom.dcmread(path), np.linalg.inv(LPS_TO_RAS @ affine)
    mask = np.zeros(image.shape, bool)
    for pixels, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = [*map(float, frame.PlanePositionSequence[0].ImagePositionPatient), 1.0]
        mask[:, :, round((to_voxel @ position)[2])] = pixels.T
    return mask


@pytest.mark.parametrize("orientation", ["head first supine", "feet first", "tilted gantry"])
@pytest.mark.parametrize("expression", ["the dark lesion", "größte bright lesion"])
def test_the_mask_is_that_of_the_bundle(expression, orientation, model, segment, bundle, tmp_path):
    write_series(tmp_path / "in", affine=lps_affine(orientation, SQUARE_MM))
    (answer,) = BundlePredictor(bundle).predict(*read_dicom_folder(tmp_path / "in"), [expression])
    mask = segment(model, expression)
    assert mask.any()
    np.testing.assert_array_equal(mask, answer.mask)


def test_the_mask_of_the_released_network_is_that_of_the_bundle_run_by_monai(segment, repository, tmp_path):
    made = phantom(103, shape=(96, 96, 4), spacing=(3.0, 3.0, 5.0), num_lesions=3)
    write_series(tmp_path / "in", made.image, LPS_TO_RAS @ made.affine)
    released = repository / "bundle"
    overrides = {
        "bundle_root": str(released),
        "dataset_dir": str(tmp_path / "in"),
        "output_dir": str(tmp_path / "plain"),
        "expression": "the lesions",
        "bfloat16": False,
    }
    workflow = ConfigWorkflow(
        str(released / "configs" / "inference.json"), workflow_type="infer", logging_file=False, **overrides
    )
    workflow.initialize()
    workflow.run()
    (plain,) = (tmp_path / "plain").glob("*_seg.nii.gz")
    mask = segment(make_torchscript.export(released, tmp_path / "model.ts"), "the lesions")
    assert mask.any()
    np.testing.assert_array_equal(mask, np.asarray(nib.load(plain).dataobj))


def test_the_model_works_where_a_packager_puts_it(model, segment, tmp_path):
    write_series(tmp_path / "in", affine=lps_affine(spacing=SQUARE_MM))
    (tmp_path / "root" / "model").mkdir(parents=True)
    shutil.move(model, tmp_path / "root" / "model" / "model.ts")
    assert segment(tmp_path / "root", "the dark lesion").any()
    assert errors_of_dciodvfy(next((tmp_path / "out").iterdir())) == []


def test_several_expressions_are_refused(model, segment, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="take one expression, got 2; use python apps/deploy"):
        segment(model, "the dark lesion\nthe bright lesion")
