# SPDX-License-Identifier: Apache-2.0
"""Expressions for a CT with known lesions mean exactly what their entries say."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from lsms_monai.data import load_datalist
from lsms_monai.data.attributes import describe_lesions
from lsms_monai.data.clarity import is_clear
from lsms_monai.data.description import describe, describe_files, read_aligned
from lsms_monai.data.meaning import Meaning
from lsms_monai.data.parsing import parse

AFFINE = np.diag((-4.0, -4.0, 5.0, 1.0))
LESIONS = {1: (slice(15, 24), slice(25, 34), slice(1, 4)), 2: (slice(54, 58), slice(24, 28), slice(2, 5))}


def scene(lesions=(1, 2)):
    """HU, instance map and liver: a large dark lesion on the right, a small bright one on the left."""
    image = np.full((90, 72, 6), -1000, np.int16)
    image[4:86, 5:66], liver = 20, np.zeros(image.shape, np.uint8)
    liver[9:66, 15:50] = 1
    image[liver > 0] = 110
    labels = np.zeros(image.shape, np.uint8)
    for value in lesions:
        labels[LESIONS[value]], image[LESIONS[value]] = value, {1: 50, 2: 170}[value]
    return image, labels, liver


@pytest.fixture
def files(tmp_path):
    """Paths of the scene's CT, label map and liver."""
    for name, array in zip(("ct", "lesions", "liver"), scene(), strict=True):
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), tmp_path / f"{name}.nii.gz")
    return [tmp_path / f"{name}.nii.gz" for name in ("ct", "lesions", "liver")]


@pytest.fixture
def write(tmp_path):
    def to(array, affine=AFFINE):
        nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "other.nii.gz")
        return tmp_path / "other.nii.gz"

    return to


@pytest.mark.parametrize("slices", [False, True])
def test_each_expression_reads_back_as_what_its_entry_says(slices):
    image, labels, liver = scene()
    made = describe(image, labels, AFFINE, liver, np.random.default_rng(0), num_expressions=12, slices=slices)
    assert len(made) >= 12
    for entry in made:
        part = (..., slice(None)) if not slices else (..., slice(entry["slice_index"], entry["slice_index"] + 1))
        lesions = describe_lesions(image[part], labels[part], AFFINE, liver[part])
        assert list(parse(entry["expression"]).resolve(lesions)) == entry["label_value"], entry


def test_the_seed_decides_the_words():
    image, labels, liver = scene()
    words = [
        [entry["expression"] for entry in describe(image, labels, AFFINE, liver, np.random.default_rng(seed))]
        for seed in (0, 0, 1)
    ]
    assert words[0] == words[1] != words[2]


def test_slices_with_a_lesion_in_pieces_or_hardly_seen_are_left_out():
    image, labels, liver = scene()
    labels[18, :, 2] = 0  # two pieces
    labels[:, :, 4][labels[:, :, 4] > 0] = 0
    labels[54, 24, 4] = 2  # a pixel of 4 mm is less than a disc of 4.5 mm
    made = describe(image, labels, AFFINE, liver, np.random.default_rng(0), slices=True)
    assert {entry["slice_index"] for entry in made if entry["label_value"]} == {1, 3, 4}
    labels[labels == 2] = 0
    made = describe(image, labels, AFFINE, liver, np.random.default_rng(0), slices=True)
    assert {entry["slice_index"] for entry in made if entry["label_value"]} == {1, 3}


def test_without_a_lesion_nothing_is_meant():
    image, labels, liver = scene(())
    for slices in (False, True):
        made = describe(image, labels, AFFINE, liver, np.random.default_rng(0), slices=slices)
        assert made
        assert not [entry for entry in made if entry["label_value"]]


def test_nothing_is_said_of_attenuation_beside_an_isodense_lesion():
    image, labels, liver = scene()
    image[labels == 2] = 100
    lesions = describe_lesions(image, labels, AFFINE, liver)
    assert not is_clear(Meaning(attenuation="hypodense"), lesions)
    assert not is_clear(Meaning(near=Meaning(attenuation="cyst")), lesions)
    assert is_clear(Meaning(side="right", rank="largest"), lesions)
    made = describe(image, labels, AFFINE, liver, np.random.default_rng(0), num_expressions=20)
    assert all(parse(entry["expression"]).attenuation is None for entry in made)


def test_a_lesion_of_25_hu_is_called_neither_cyst_nor_solid():
    image, labels, liver = scene()
    image[labels == 2] = 25
    lesions = describe_lesions(image, labels, AFFINE, liver)
    assert not is_clear(Meaning(attenuation="cyst"), lesions)
    assert not is_clear(Meaning(attenuation="solid"), lesions)
    assert is_clear(Meaning(attenuation="hypodense"), lesions)


def test_an_instance_map_is_used_as_it_is(files, tmp_path):
    entries = describe_files(*files[:2], tmp_path / "list.json", organ=files[2])
    assert {entry["label"] for entry in entries} == {"lesions.nii.gz"}
    assert load_datalist(tmp_path / "list.json")[0]["patient_id"] == f"{tmp_path.name}/ct"
    assert not (tmp_path / "list_files").exists()


def test_a_semantic_mask_gets_an_instance_map_beside_the_datalist(files, write, tmp_path):
    ras = nibabel.as_closest_canonical(nibabel.Nifti1Image((scene()[1] > 0).astype(np.uint8), AFFINE))
    entries = describe_files(
        files[0], write(np.asarray(ras.dataobj), ras.affine), tmp_path / "list.json", section="test"
    )
    loaded = load_datalist(tmp_path / "list.json", "test")
    assert loaded[0]["label"] == str(tmp_path / "list_files" / "ct_lesions.nii.gz")
    np.testing.assert_array_equal(read_aligned(files[0], loaded[0]["label"])[1][0], scene()[1])
    assert {value for entry in entries for value in entry["label_value"]} == {1, 2}


def test_a_label_that_holds_the_organ_too_needs_the_value_of_the_lesions(files, write, tmp_path):
    _, labels, liver = scene()
    both = write(np.where(labels > 0, 2, liver).astype(np.uint8))
    with pytest.raises(ValueError, match=r"must hold lesions alone, but 1 lies around the others .* --lesion-value"):
        describe_files(files[0], both, tmp_path / "list.json")
    with pytest.raises(ValueError, match=r"must hold the lesion value 3, got \[1, 2\]"):
        describe_files(files[0], both, tmp_path / "list.json", lesion_value=3)
    describe_files(files[0], both, tmp_path / "list.json", lesion_value=2)
    written = tmp_path / "list_files" / "ct_lesions.nii.gz"
    np.testing.assert_array_equal(read_aligned(files[0], written)[1][0], labels)


def test_what_nobody_knows_stays_unknown_beside_the_value_of_the_lesions(files, write, tmp_path):
    _, labels, liver = scene()
    both = np.where(labels > 0, 2, liver).astype(np.uint8)
    both[labels == 2] = 255
    describe_files(files[0], write(both), tmp_path / "list.json", lesion_value=2)
    written = read_aligned(files[0], tmp_path / "list_files" / "ct_lesions.nii.gz")[1][0]
    np.testing.assert_array_equal(written, np.where(labels == 2, 255, labels))


def test_what_nobody_knows_is_not_taken_for_the_liver(files, write, tmp_path):
    _, labels, _ = scene()
    lesions = (labels > 0).astype(np.uint8)
    lesions[:3, :3] = 255
    said = []
    for number, label in enumerate((lesions, np.where(lesions == 255, 0, lesions))):
        entries = describe_files(files[0], write(label), tmp_path / f"list_{number}.json", lesion_value=1)
        said.append([entry["expression"] for entry in entries])
    assert said[0] == said[1]


def test_images_named_alike_are_of_patients_named_by_their_folder(files, tmp_path, monkeypatch):
    (tmp_path / "P.2").mkdir()
    for path in files[:2]:
        shutil.copy(path, tmp_path / "P.2" / path.name)
    describe_files(*(tmp_path / "P.2" / path.name for path in files[:2]), tmp_path / "list.json")
    assert load_datalist(tmp_path / "list.json")[0]["patient_id"] == "P.2/ct"
    monkeypatch.chdir(tmp_path / "P.2")
    describe_files(*(Path("..", "P.2", "..", path.name) for path in files[:2]), tmp_path / "up.json")
    assert load_datalist(tmp_path / "up.json")[0]["patient_id"] == f"{tmp_path.name}/ct"
    describe_files(*files[:2], tmp_path / "list.json", patient_id="P2", overwrite=True)
    assert load_datalist(tmp_path / "list.json")[0]["patient_id"] == "P2"


def test_a_mask_of_255_is_not_taken_for_unknown(files, write, tmp_path):
    path = write((scene()[1] > 0) * np.uint8(255))
    with pytest.raises(ValueError, match=r"got 255 alone, which means that nobody knows; .* --lesion-value 255"):
        describe_files(files[0], path, tmp_path / "list.json")
    assert describe_files(files[0], path, tmp_path / "list.json", lesion_value=255)


def test_no_expression_for_a_picture_speaks_of_millimetres(tmp_path):
    image, labels, _ = scene()
    for name, array in (("ct", np.clip(image, 0, 255)), ("lab", labels)):
        Image.fromarray(array[:, :, 3].T.astype(np.uint8)).save(tmp_path / f"{name}.png")
    entries = describe_files(tmp_path / "ct.png", tmp_path / "lab.png", tmp_path / "list.json", num_expressions=30)
    assert entries
    assert not [entry for entry in entries if "mm" in entry["expression"] or "cm" in entry["expression"]]


def test_nothing_is_left_behind_when_a_file_cannot_be_used(files, write, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match=r"nowhere\.nii"):
        describe_files(files[0], tmp_path / "nowhere.nii", tmp_path / "list.json")
    with pytest.raises(ValueError, match="and image must have the same shape"):
        describe_files(files[0], write(scene()[1][:9]), tmp_path / "list.json")
    assert sorted(path for path in tmp_path.iterdir() if path.name != "other.nii.gz") == before


def test_an_earlier_datalist_stays(files, tmp_path):
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(FileExistsError, match="exists already; choose another name, or replace it with --overwrite"):
        describe_files(*files[:2], tmp_path / "list.json")
    describe_files(*files[:2], tmp_path / "list.json", overwrite=True)
    assert json.loads((tmp_path / "list.json").read_text())["training"]


def test_a_folder_that_belongs_to_no_datalist_stays_whatever_is_asked(files, tmp_path):
    (tmp_path / "list_files").mkdir()
    (tmp_path / "list_files" / "mine.txt").write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"list_files exists already and belongs to no list\.json; choose another"
    ):
        describe_files(*files[:2], tmp_path / "list.json", overwrite=True)
    assert (tmp_path / "list_files" / "mine.txt").read_text() == "mine"


def test_an_image_among_the_files_of_an_earlier_datalist_stays(files, tmp_path):
    describe_files(*files[:2], tmp_path / "list.json")
    (tmp_path / "list_files").mkdir()
    image = shutil.copy(files[0], tmp_path / "list_files" / "ct.nii.gz")
    with pytest.raises(
        ValueError, match=r"ct\.nii\.gz would be replaced with the files of list.json; choose another name"
    ):
        describe_files(image, files[1], tmp_path / "list.json", overwrite=True)
    assert (tmp_path / "list_files" / "ct.nii.gz").exists()
