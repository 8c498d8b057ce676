# SPDX-License-Identifier: Apache-2.0
"""DICOM in, DICOM SEG out: the same mask as without Deploy, and every refusal one line that leaves nothing behind."""

import json

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom import ORIENTATIONS, SPACING_MM, errors_of_dciodvfy, lps_affine, write_series
from monai.transforms import LoadImage
from pydicom.uid import generate_uid
from stub import scene

from lsms_monai.predictor import BundlePredictor

DARK, BRIGHT = "the dark lesion", "the bright lesion"


def without_deploy(folder, bundle, expressions):
    """Masks of MONAI's own reader of DICOM, and its affine."""
    image = LoadImage(reader="PydicomReader", image_only=True)(folder)
    affine = image.affine.numpy()
    answers = BundlePredictor(bundle).predict(np.atleast_3d(image.numpy()), affine, expressions)
    return [answer.mask for answer in answers], affine


def test_one_run_writes_segmentation_masks_and_numbers(app, bundle, tmp_path):
    write_series(tmp_path / "in")
    assert app("--prompt", DARK, "--prompt", BRIGHT) == (0, [])
    assert errors_of_dciodvfy(tmp_path / "out" / "segmentation.dcm") == []
    seg = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm")
    assert [item.SegmentDescription for item in seg.SegmentSequence] == [DARK, BRIGHT]
    content = json.loads((tmp_path / "out" / "answer.json").read_text())
    masks, affine = without_deploy(tmp_path / "in", bundle, [DARK, BRIGHT])
    for answer, mask, truth in zip(content["answers"], masks, scene()[1].values(), strict=True):
        written = nib.load(tmp_path / "out" / answer["segmentation"])
        np.testing.assert_array_equal(np.asarray(written.dataobj), mask)
        np.testing.assert_array_equal(mask, truth)
        np.testing.assert_allclose(written.affine, affine, atol=1e-4)
    assert content["model"] == {"name": "Two words", "version": "1.2.3"}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_no_voxel_differs_from_plain_reading_in_any_orientation(orientation, app, bundle, tmp_path):
    write_series(tmp_path / "in", scene()[0], lps_affine(orientation), seed=5)
    assert app("--prompt", DARK) == (0, [])
    equals_plain_reading(bundle, tmp_path)


def test_no_voxel_differs_from_plain_reading_with_square_pixels(app, bundle, tmp_path):
    write_series(tmp_path / "in", scene()[0], lps_affine(spacing=(0.8, 0.8, 3.0)))
    assert app("--prompt", DARK) == (0, [])
    equals_plain_reading(bundle, tmp_path)


def test_no_voxel_differs_from_plain_reading_of_one_slice(app, bundle, tmp_path):
    write_series(tmp_path / "in", scene()[0][:, :, 2:3])
    assert app("--prompt", DARK, "--min-slices", 1) == (0, [])
    equals_plain_reading(bundle, tmp_path, thickness_mm=SPACING_MM[2])  # for which MONAI takes 1 mm


def equals_plain_reading(bundle, tmp_path, thickness_mm=1.0):
    (mask,), affine = without_deploy(tmp_path / "in", bundle, [DARK])
    affine[:, 2] *= thickness_mm
    # the two readers may stack the slices from either end
    plain = nib.as_closest_canonical(nib.Nifti1Image(mask.astype(np.uint8), affine))
    written = nib.as_closest_canonical(nib.load(tmp_path / "out" / "01_the-dark-lesion_seg.nii.gz"))
    assert np.count_nonzero(np.asarray(written.dataobj) != np.asarray(plain.dataobj)) == 0
    assert mask.any()
    np.testing.assert_allclose(written.affine, plain.affine, atol=1e-4)


def test_nothing_found_is_written_and_stated(app, tmp_path):
    write_series(tmp_path / "in", np.full((20, 16, 3), 100, np.int16))
    status, lines = app("--prompt", DARK)
    assert status == 0, lines
    segment = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm").SegmentSequence[0]
    assert segment.SegmentLabel == "not found: the dark lesion"


def test_prompts_come_from_the_file_in_a_package(app, tmp_path):
    write_series(tmp_path / "in" / "study" / "series")
    (tmp_path / "in" / "prompts.json").write_text(json.dumps({"prompts": [BRIGHT]}))
    assert app() == (0, [])
    assert (tmp_path / "out" / "01_the-bright-lesion_seg.nii.gz").is_file()


def test_prompts_come_from_the_environment(app, tmp_path, monkeypatch):
    write_series(tmp_path / "in")
    monkeypatch.setenv("LSMS_PROMPTS", f"{DARK}\n{BRIGHT}\n")
    assert app() == (0, [])
    assert len(list((tmp_path / "out").glob("*_seg.nii.gz"))) == 2


def test_one_of_several_series_is_chosen_by_its_uid(app, tmp_path):
    write_series(tmp_path / "in" / "a", SeriesDescription="arterial")
    write_series(tmp_path / "in" / "b", np.full((41, 37, 7), 100, np.int16), SeriesDescription="portal venous")
    uid = pydicom.dcmread(next((tmp_path / "in" / "a").iterdir())).SeriesInstanceUID
    (tmp_path / "in" / "prompts.json").write_text(json.dumps({"prompts": [DARK], "series": uid}))
    assert [app(), app("--prompt", BRIGHT, "--overwrite")] == 2 * [(0, [])]
    assert json.loads((tmp_path / "out" / "answer.json").read_text())["series_instance_uid"] == uid


def test_earlier_results_are_replaced_only_when_asked(app, tmp_path):
    write_series(tmp_path / "in")
    assert app("--prompt", DARK)[0] == 0
    status, lines = app("--prompt", BRIGHT)
    assert (status, "holds the results of an earlier run" in lines[-1]) == (1, True)
    assert app("--prompt", BRIGHT, "--overwrite")[0] == 0


def nothing(folder):
    folder.mkdir()


def mr(folder):
    write_series(folder, Modality="MR")


def localizer(folder):
    write_series(folder, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def one_slice(folder):
    write_series(folder, scene()[0][:, :, 2:3])


def coronal(folder):
    write_series(folder, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])


def two_series(folder):
    write_series(folder, SeriesDescription="arterial")
    write_series(folder, SeriesDescription="portal venous")


def incomplete(folder):
    by_height = sorted(write_series(folder).iterdir(), key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2])
    by_height[3].unlink()


def duplicates(folder):
    path = next(write_series(folder).iterdir())
    (folder / "copy.dcm").write_bytes(path.read_bytes())


def two_phases_in_one(folder):
    uid = generate_uid()
    write_series(folder, AcquisitionNumber=1)
    write_series(folder, AcquisitionNumber=2)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.SeriesInstanceUID = uid
        data.save_as(path)


def no_position(folder):
    for path in write_series(folder).iterdir():
        data = pydicom.dcmread(path)
        del data.ImagePositionPatient
        data.save_as(path)


def no_frame_of_reference(folder):
    for path in write_series(folder).iterdir():
        data = pydicom.dcmread(path)
        del data.FrameOfReferenceUID
        data.save_as(path)


def rubbish(folder):
    next(write_series(folder).iterdir()).write_bytes(b"rubbish")


def truncated(folder):
    path = next(write_series(folder).iterdir())
    path.write_bytes(path.read_bytes()[:-60])


def unknown_transfer_syntax(folder):
    path = next(write_series(folder).iterdir())
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
    data["PixelData"].is_undefined_length = True
    data.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nothing, "must hold an axial CT series of 3 slices or more, got no DICOM image"),
        (mr, "modality MR, not CT"),
        (localizer, "a localizer"),
        (one_slice, "fewer than 3 slices"),
        (coronal, "not axial"),
        (two_series, "must hold one axial CT series, got 2: "),
        (incomplete, "slices are missing"),
        (duplicates, "one slice per position"),
        (two_phases_in_one, "one slice per position"),
        (no_position, "must give each slice's place in the patient"),
        (no_frame_of_reference, "got no FrameOfReferenceUID"),
        (rubbish, "must be a DICOM file that can be read"),
        (truncated, "must be a DICOM image that can be read"),
        (unknown_transfer_syntax, "transfer syntax 1.2.840.10008.1.2.4.201"),
    ],
)
def test_images_that_cannot_be_used_are_one_line_and_leave_nothing(make, message, app, tmp_path):
    make(tmp_path / "in")
    refused(app("--prompt", DARK), message, tmp_path)


def test_a_uid_that_is_not_there_is_named_with_those_that_are(app, tmp_path):
    write_series(tmp_path / "in")
    result = app("--prompt", DARK, "--series", "1.2.3")
    refused(result, "3 slices or more with the UID 1.2.3, got ", tmp_path)
    assert '"portal venous" (CT, 7 images, UID ' in result[1][0]


def refused(result, message, tmp_path):
    status, lines = result
    assert status == 1
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    assert message in lines[0]
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".lsms-*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "at least one expression is required, got no --prompt, no LSMS_PROMPTS and no "),
        ("", "prompts.json must be JSON in UTF-8"),
        ("{", "prompts.json must be JSON in UTF-8"),
        ("[]", "must hold at least one expression, got {'prompts': []}"),
        ('"the cyst"', "must hold at least one expression, got 'the cyst'"),
        ('{"prompts": "the cyst"}', "may hold \"prompts\" (a list) and \"series\" (a UID), got 'prompts': 'the cyst'"),
        ('{"prompts": ["a"], "color": 1}', "got 'color': 1"),
        ('{"prompts": [7]}', "expression 1 of 1 must be a string"),
        ('{"prompts": [" "]}', "expression 1 of 1 must not be empty"),
        ('{"prompts": ["the\\u0000cyst"]}', "must not hold control characters"),
    ],
)
def test_prompts_that_cannot_be_used_are_one_line_and_leave_nothing(content, message, app, tmp_path):
    write_series(tmp_path / "in")
    if content is not None:
        (tmp_path / "in" / "prompts.json").write_text(content)
    refused(app(), message, tmp_path)
