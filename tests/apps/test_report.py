# SPDX-License-Identifier: Apache-2.0
"""All files or none, under names that nobody's words can choose, in the geometry of the image."""

import json
import re

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from lsms_monai.answer import Answer, measure_lesions
from lsms_monai.report import name_by_expression, output_folder, save_mask, slug, write_report

OBLIQUE = np.array([[-0.7, 0.1, 0.2, 120.5], [-0.1, -0.69, 0.9, 88.25], [0.05, 0.2, 4.9, -1020.125], [0, 0, 0, 1]])
ORTHOGONAL = np.array([[0, 0, -2.5, 30], [-0.8, 0, 0, 200.3], [0, 0.9, 0, -17], [0, 0, 0, 1]])


def answers(*expressions, shape=(9, 8, 7)):
    mask = np.zeros(shape, bool)
    mask[2:5, 3:6, 1:3] = True
    image = np.zeros(shape, np.int16)
    return image, [Answer(e, mask, measure_lesions(mask, image, mask * 0.75, ORTHOGONAL)) for e in expressions]


def fail_after_one_file(out, error):
    with output_folder(out) as folder:
        (folder / "01_x_seg.nii.gz").write_text("half")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("The largest lesion", "the-largest-lesion"),
        ("../../etc/passwd", "etc-passwd"),
        ("/tmp/x\x00y;$(rm -rf ~)", "tmp-x-y-rm-rf"),
        ("größer als 2 cm", "groer-als-2-cm"),
        ("囊肿", "expression"),
        ("...", "expression"),
        ("a" * 39 + " bc", "a" * 39),
        ("x" * 5000, "x" * 40),
    ],
)
def test_a_slug_is_a_safe_piece_of_a_file_name(expression, expected):
    assert slug(expression) == expected


def mask_name(path, root=None, expression="all lesions", **more):
    return name_by_expression({"filename_or_obj": str(path), "expression": expression}, None, root, **more)["subject"]


@pytest.mark.parametrize(
    ("path", "root", "stem"),
    [
        ("data/imagesTs/liver_1.nii.gz", "data", "imagesTs-liver_1"),
        ("data/liver_1.nii.gz", "data", "liver_1"),
        ("data/liver_1.nii.gz", "data/liver_1.nii.gz", "liver_1"),
        ("data/a.b/liver.v2.nrrd", "data", "a-b-liver-v2"),
        ("elsewhere/s1/ct.nii.gz", "data", "ct"),
        ("s1/ct.nii.gz", None, "ct"),
    ],
)
def test_a_mask_is_named_after_its_image_and_the_folders_below_the_root(path, root, stem):
    assert re.fullmatch(rf"{stem}_all-lesions-[0-9a-f]{{8}}", mask_name(path, root))


def test_without_a_root_the_folder_of_the_datalist_is_it():
    assert mask_name("lists/s1/ct.nii.gz", datalist="lists/datalist.json").startswith("s1-ct_")


def test_a_series_folder_keeps_its_whole_name(tmp_path):
    for uid in ("1.2.840.1", "1.2.840.2"):
        (tmp_path / uid).mkdir()
        assert mask_name(tmp_path / uid, tmp_path).startswith(f"{uid.replace('.', '-')}_all-lesions-")


def test_images_of_one_name_and_words_of_one_slug_give_different_masks():
    paths, texts = ("a/ct.nii.gz", "b/ct.nii.gz", "b/ct.nrrd"), ("the cyst", "the cyst!")
    given = {mask_name(path, expression=text) for path in paths for text in texts}
    assert len(given) == len(paths) * len(texts)


def test_the_name_of_a_mask_below_many_folders_is_one_that_a_disk_takes():
    assert len(f"{mask_name('/'.join(['x' * 60] * 9) + '/ct.nii.gz', 'x' * 60, 'y' * 300)}_seg.nii.gz") < 255


def test_equal_expressions_never_share_a_file(tmp_path):
    image, given = answers("the cyst", "The CYST!", "the cyst")
    write_report(tmp_path, image, ORTHOGONAL, given, {})
    stems = ["01_the-cyst", "02_the-cyst", "03_the-cyst"]
    expected = [f"{stem}_{end}" for stem in stems for end in ("overlay.png", "seg.nii.gz")]
    assert names(tmp_path) == [*expected, "answer.json"]


def test_answer_json_tells_what_was_asked_and_found(tmp_path):
    image, given = answers("größer als 2 cm")
    returned = write_report(tmp_path, image, ORTHOGONAL, given, {"image": "ct.nii.gz", "warnings": []})
    content = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert content == returned
    assert content["schema_version"] == 1
    assert content["image_geometry"]["shape"] == [9, 8, 7]
    assert content["image_geometry"]["spacing_mm"] == [0.8, 0.9, 2.5]
    assert content["image_geometry"]["axial_axis"] == 1
    (entry,) = content["answers"]
    assert entry["expression"] == "größer als 2 cm"
    assert entry["found"] is True
    assert entry["lesions"][0]["confidence"] == 0.75
    assert Image.open(tmp_path / entry["overlay"]).size[0] > 500
    assert nib.load(tmp_path / entry["segmentation"]).shape == (9, 8, 7)


@pytest.mark.parametrize("affine", [OBLIQUE, ORTHOGONAL, np.diag([-1.0, -1, 1, 1])], ids=["sheared", "turned", "plain"])
def test_a_mask_keeps_the_affine(tmp_path, affine):
    mask = np.random.default_rng(0).random((5, 4, 3)) > 0.5
    save_mask(tmp_path / "seg.nii.gz", mask, affine)
    file = nib.load(tmp_path / "seg.nii.gz")
    assert abs(file.affine - affine).max() < 1e-4
    assert file.get_data_dtype() == np.uint8
    assert file.header["sform_code"] == 1
    np.testing.assert_array_equal(np.asarray(file.dataobj), mask)


def test_itk_reads_the_mask_in_the_same_place(tmp_path):
    save_mask(tmp_path / "seg.nii.gz", np.ones((5, 4, 3)), ORTHOGONAL)
    image = sitk.ReadImage(str(tmp_path / "seg.nii.gz"))
    corner_lps = image.TransformIndexToPhysicalPoint((4, 3, 2))
    expected_ras = (ORTHOGONAL @ [4, 3, 2, 1])[:3]
    np.testing.assert_allclose(corner_lps, expected_ras * [-1, -1, 1], atol=1e-3)


def test_files_appear_only_when_everything_is_written(tmp_path):
    with output_folder(tmp_path / "new" / "out") as folder:
        (folder / "answer.json").write_text("{}")
        assert not (tmp_path / "new").exists()
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new" / "out") == ["answer.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [True, False])
def test_an_error_leaves_nothing_behind(tmp_path, error, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    with pytest.raises(error):
        fail_after_one_file(out, error)
    assert names(tmp_path) == (["out"] if exists else [])
    assert not exists or names(out) == []


def test_earlier_results_are_kept_unless_told_otherwise(tmp_path):
    (tmp_path / "01_the-cyst_seg.nii.gz").write_text("old")
    message = (
        r"holds the results of an earlier run \(01_the-cyst_seg.nii.gz\); choose another --output-dir, or add --over"
    )
    with pytest.raises(FileExistsError, match=message), output_folder(tmp_path):
        pass
    assert names(tmp_path) == ["01_the-cyst_seg.nii.gz"]


def test_overwriting_removes_earlier_results_and_nothing_else(tmp_path):
    for name in ("01_the-cyst_seg.nii.gz", "02_x_overlay.png", "answer.json", "my_seg.nii.gz", "notes.txt"):
        (tmp_path / name).write_text("old")
    with output_folder(tmp_path, overwrite=True) as folder:
        (folder / "answer.json").write_text("new")
    assert names(tmp_path) == ["answer.json", "my_seg.nii.gz", "notes.txt"]
    assert (tmp_path / "answer.json").read_text() == "new"


def test_a_failed_run_keeps_the_results_it_was_to_replace(tmp_path):
    (tmp_path / "answer.json").write_text("old")
    with pytest.raises(ValueError, match="broken"), output_folder(tmp_path, overwrite=True):
        raise ValueError("broken")
    assert (tmp_path / "answer.json").read_text() == "old"


def two_runs_at_once(out, overwrite):
    """The second one ends first."""
    with output_folder(out, overwrite=overwrite) as slow:
        with output_folder(out) as quick:
            for name in ("01_the-cyst_seg.nii.gz", "02_x_seg.nii.gz", "answer.json"):
                (quick / name).write_text("quick")
        for name in ("01_the-cyst_seg.nii.gz", "answer.json"):
            (slow / name).write_text("slow")


def test_results_that_came_in_the_meantime_are_kept(tmp_path):
    message = r"must not hold other results, got those of a run that ended in the meantime \(01_the-cyst_seg.*; choose"
    with pytest.raises(FileExistsError, match=message):
        two_runs_at_once(tmp_path / "out", overwrite=False)
    assert names(tmp_path / "out") == ["01_the-cyst_seg.nii.gz", "02_x_seg.nii.gz", "answer.json"]
    assert {path.read_text() for path in (tmp_path / "out").iterdir()} == {"quick"}
    assert names(tmp_path) == ["out"]


def test_overwriting_replaces_results_that_came_in_the_meantime_as_a_whole(tmp_path):
    two_runs_at_once(tmp_path / "out", overwrite=True)
    assert names(tmp_path / "out") == ["01_the-cyst_seg.nii.gz", "answer.json"]
    assert {path.read_text() for path in (tmp_path / "out").iterdir()} == {"slow"}


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"output must be a folder, .*out is a file; choose another"):
        output_folder(tmp_path / "out").__enter__()


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"output folder .*out cannot be written \(Not a directory\); choose another one"):
        output_folder(tmp_path / "file" / "out").__enter__()
