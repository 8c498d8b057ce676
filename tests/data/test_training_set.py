# SPDX-License-Identifier: Apache-2.0
import json
import math
from collections import Counter

import make_training_set
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lsms_monai.data.anatomy import LIVER
from lsms_monai.data.datalist import load_datalist
from lsms_monai.data.phantom import phantom, write_phantoms
from lsms_monai.data.training_cases import LARGEST_MM, MIN_LESION_MM2, SPLIT
from lsms_monai.data.training_set import write_training_set
from lsms_monai.keys import UNKNOWN_VALUE


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Real slices with livers, and without, in the layouts that the sources have."""
    livers, negatives = tmp_path_factory.mktemp("livers"), tmp_path_factory.mktemp("negatives")
    for patient in range(13):
        made = phantom((patient, 5), num_lesions=0, region="liver", shape=(256, 256, 1), spacing=(1.5, 1.5, 5.0))
        pictures = {"img": np.clip(made.image, 0, 255), "lab": made.organs == LIVER}
        for part, array in pictures.items():
            Image.fromarray(array[..., 0].T.astype(np.uint8)).save(livers / f"{patient:03d}_7_{part}.png")
        thigh = phantom(patient, region="thigh").image[..., 0].T[None]
        np.savez(negatives / f"P{patient}.npz", img=np.repeat(thigh, 3, axis=0), spacing=[1.0, 1.0, 5.0])
    return livers, negatives


@pytest.fixture(scope="module")
def datalist(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "set"
    return write_training_set(out, num_phantoms=13, livers_dir=folders[0], copies=2, negatives_dir=folders[1])


def test_every_source_stands_in_every_section_and_no_patient_in_two(datalist):
    for section in SPLIT:
        entries = load_datalist(datalist, section)  # refuses a patient in two sections
        assert {entry["study_id"] for entry in entries} == {"phantom", "liver", "negative"}


def test_slices_for_validation_are_drawn_upon_once_and_all_others_as_often_as_asked(datalist):
    copies = {
        section: {
            entry["image"][-len("0.nii.gz")] for entry in load_datalist(datalist, section) if "liver_" in entry["image"]
        }
        for section in SPLIT
    }
    assert copies == {"training": {"0", "1"}, "validation": {"0"}, "test": {"0", "1"}}


def test_each_entry_names_lesions_that_its_label_map_has(datalist):
    for entry in load_datalist(datalist, "training"):
        labels = np.asarray(nibabel.load(entry["label"]).dataobj)
        assert {*entry["label_value"]} <= {*np.unique(labels)}
        assert entry["study_id"] != "negative" or not labels.any()


def test_each_lesion_lies_in_the_liver_and_slices_without_one_have_none(datalist):
    entries = load_datalist(datalist, "training")
    for entry in entries:
        labels, liver = (np.asarray(nibabel.load(entry[key]).dataobj) for key in ("label", "organ"))
        assert liver[labels > 0].all()
    livers = {entry["organ"]: entry["study_id"] for entry in entries}
    drawn = {name: bool(np.asarray(nibabel.load(name).dataobj).any()) for name in livers}
    assert all(drawn[name] for name, source in livers.items() if source == "liver")
    assert not any(drawn[name] for name, source in livers.items() if source == "negative")


def test_no_liver_is_cut_where_fat_is_0_and_its_patients_organs_lie_apart(tmp_path):
    for patient in range(13):
        image, liver = np.zeros((2, 256, 256), np.uint8)
        image[100:180, 110:220], image[100:180, 30:100], liver[100:180, 30:100] = 90, 60, 1
        for part, array in {"img": image, "lab": liver}.items():
            Image.fromarray(array).save(tmp_path / f"{patient:03d}_7_{part}.png")
    made = write_training_set(tmp_path / "set", num_phantoms=0, livers_dir=tmp_path, copies=1)
    for entry in load_datalist(made, "training"):
        liver = np.asarray(nibabel.load(entry["organ"]).dataobj)
        assert np.count_nonzero(liver) == pytest.approx(80 * 70 * (1.5 / 2) ** 2, rel=0.03)


def test_slices_have_pixels_of_2_mm_and_fit_the_network(datalist):
    for entry in load_datalist(datalist, "test"):
        image, label = nibabel.load(entry["image"]), nibabel.load(entry["label"])
        assert image.shape == label.shape
        np.testing.assert_allclose(image.affine[:2, :2], -2 * np.eye(2))
        if entry["study_id"] != "phantom":
            assert all(2 * side <= largest for side, largest in zip(image.shape, LARGEST_MM, strict=False))


def test_pixels_of_another_size_show_as_much_of_the_patient(folders, tmp_path):
    made = write_training_set(tmp_path / "set", num_phantoms=2, livers_dir=folders[0], copies=1, spacing=1.6)
    entries = [entry for section in SPLIT for entry in load_datalist(made, section)]
    assert {entry["study_id"] for entry in entries} == {"phantom", "liver"}
    for entry in entries:
        image = nibabel.load(entry["image"])
        np.testing.assert_allclose(image.affine[:2, :2], -1.6 * np.eye(2))
        assert image.shape[:2] == (200, 200) if entry["study_id"] == "phantom" else image.shape[0] <= 200


def test_a_pixel_without_a_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="spacing must be a positive number of mm, got 0"):
        write_training_set(tmp_path / "set", num_phantoms=2, spacing=0)


def test_sizes_in_mm_are_not_said_of_pictures(datalist):
    texts = [x["expression"] for s in SPLIT for x in load_datalist(datalist, s) if x["study_id"] == "liver"]
    assert texts
    assert not any(" mm" in text or " cm" in text for text in texts)


def test_the_same_seed_gives_the_same_expressions(folders, datalist, tmp_path):
    again = write_training_set(
        tmp_path / "set", num_phantoms=13, livers_dir=folders[0], copies=2, negatives_dir=folders[1]
    )
    assert json.loads(again.read_text()) == json.loads(datalist.read_text())


def test_slices_that_people_have_looked_at_are_taken_as_they_are_with_what_they_saw(folders, tmp_path):
    outlines = {"000_7": {"lesions": [[[80, 100], [95, 100], [95, 115], [80, 115]]]}, "001_7": {}}
    (tmp_path / "outlines.json").write_text(json.dumps({"slices": outlines}))
    made = write_training_set(
        tmp_path / "set", num_phantoms=0, livers_dir=folders[0], copies=0, outlines=tmp_path / "outlines.json"
    )
    entries = [entry for section in SPLIT for entry in json.loads(made.read_text())[section]]
    assert {entry["patient_id"] for entry in entries} == {"msd_000", "msd_001"}
    for entry in entries:
        labels = np.asarray(nibabel.load(made.parent / entry["label"]).dataobj)
        assert entry["study_id"] == "real"
        assert set(np.unique(labels)) == ({0, 1} if entry["patient_id"] == "msd_000" else {0})
    assert any(entry["label_value"] == [1] for entry in entries)


def test_what_means_a_small_lesion_or_nothing_beside_one_is_asked_three_times_in_training_alone(datalist):
    repeated = set()
    for section in SPLIT:
        entries = load_datalist(datalist, section)
        times = Counter((entry["image"], entry["expression"]) for entry in entries)
        for entry in entries:
            areas = 4 * np.bincount(np.asarray(nibabel.load(entry["label"]).dataobj).ravel())[1:]  # mm2
            small = {value for value, area in enumerate(areas, 1) if 0 < area < math.pi * 6**2}
            rare = section == "training" and bool(small) and {*entry["label_value"]} <= small
            assert times[entry["image"], entry["expression"]] == (3 if rare else 1)
            repeated.add(len(entry["label_value"]) if rare else None)
    assert repeated >= {None, 0, 1}


def test_slices_of_a_whole_ct_that_hold_no_liver_are_for_training_alone(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((70, 60, 4), np.int16), np.diag((4, 4, 5, 1))), tmp_path / "P.nii.gz")
    made = write_training_set(tmp_path / "set", num_phantoms=0, without_liver=[(tmp_path / "P.nii.gz", 1, 2)])
    entries = load_datalist(made, "training")
    assert {entry["label_value"] == [] and entry["patient_id"] for entry in entries} == {"P"}
    assert len({entry["image"] for entry in entries}) == 2
    assert not any(json.loads(made.read_text())[section] for section in ("validation", "test"))


def test_slices_of_volumes_are_for_training_alone_and_only_what_a_slice_can_tell_is_said_of_them(tmp_path):
    made = write_training_set(tmp_path / "set", num_phantoms=0, num_volumes=8, spacing=2.0)
    entries = load_datalist(made, "training")
    assert not any(json.loads(made.read_text())[section] for section in ("validation", "test"))
    assert len({entry["image"] for entry in entries}) == 8 * 6
    assert not any(word in entry["expression"] for entry in entries for word in ("largest", "smallest", "mm", "only"))
    assert {bool(entry["label_value"]) for entry in entries} == {True, False}
    cut = [np.asarray(nibabel.load(file).dataobj) for file in {entry["label"] for entry in entries}]
    areas = [
        4.0 * np.count_nonzero(labels == value) for labels in cut for value in np.unique(labels) if 0 < value < 255
    ]
    assert min(areas) >= MIN_LESION_MM2
    assert any((labels == UNKNOWN_VALUE).any() for labels in cut)  # ends of lesions


def test_slices_that_a_ct_does_not_have_are_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((70, 60, 4), np.int16), np.diag((4, 4, 5, 1))), tmp_path / "P.nii.gz")
    with pytest.raises(ValueError, match=r"slices of .*P.nii.gz must lie in 0..3, got 2 to 4"):
        write_training_set(tmp_path / "set", num_phantoms=0, without_liver=[(tmp_path / "P.nii.gz", 2, 4)])
    assert not (tmp_path / "set").exists()


def test_a_folder_without_slices_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold files \*_img.png, got none; name the folder"):
        write_training_set(tmp_path / "set", num_phantoms=1, livers_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_phantom_is_one_that_a_set_of_phantoms_of_the_same_seed_may_test_on(datalist, tmp_path):
    def images(path):
        return {np.asarray(nibabel.load(file).dataobj).tobytes() for file in (path / "images").glob("phantom_*")}

    write_phantoms(tmp_path / "set", num_patients=13)
    assert not images(datalist.parent) & images(tmp_path / "set")


def test_the_tool_says_in_one_line_what_is_wrong(tmp_path):
    (tmp_path / "notes.txt").touch()
    result = CliRunner().invoke(make_training_set.main, [str(tmp_path), "--phantoms", "1"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: folder for a data set must be new or empty, got")
