# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on saved segments, with the bundle's own train.json and a text encoder small enough for a unit test."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from lib.finetuning import MAX_SLICES, Study, asked_as, finetune, samples, split, stats

from lsms_monai.predictor import BundlePredictor
from lsms_monai.resolution import plan

AFFINE = np.diag((-2.0, -2.0, 5.0, 1.0))


def write_study(folder, name, segments=None, affine=AFFINE, shape=(48, 40, 6)):
    """A study with a dark box of value 1 on slices 1 to 3 (largest on 2) and a bright one of value 2 on slice 4."""
    image, labels = np.full(shape, 100, np.int16), np.zeros(shape, np.uint8)
    labels[5:15, 8:18, 1:4], labels[3:17, 8:18, 2], labels[30:38, 20:30, 4] = 1, 1, 2
    image[labels == 1], image[labels == 2] = 40, 170
    paths = []
    for kind, array, place in (("image", image, AFFINE), ("label", labels, affine)):
        paths.append(str(folder / f"{name}_{kind}.nii.gz"))
        nibabel.save(nibabel.Nifti1Image(array, place), paths[-1])
    return Study(name, *paths, segments or [("the dark lesion", 1), ("the bright lesion", 2)])


def test_a_segment_gives_its_largest_slices_in_the_words_that_the_network_is_asked_with(tmp_path):
    made = samples(write_study(tmp_path, "a"))
    assert [(s["expression"], s["label_value"], s["slice_index"]) for s in made] == [
        ("all hypodense lesions", [1], 2),
        ("all hypodense lesions", [1], 1),
        ("all hypodense lesions", [1], 3),
        ("all hyperdense lesions", [2], 4),
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Cyst of the left lobe", "all cysts in the left lobe"),
        ("the largest cyst", "the largest cyst"),
        ("both cysts", "both cysts"),
        ("all lesions except the largest", "all lesions except the largest"),
        ("lesion 3, see my note", "lesion 3, see my note"),
    ],
)
def test_only_names_that_a_slice_can_tell_are_put_into_plain_words(name, words):
    assert asked_as(name) == words


def test_what_is_learned_is_what_the_predictor_asks():
    assert plan("the cyst").texts == (asked_as("the cyst"),)


def test_segments_of_one_meaning_are_one(tmp_path):
    made = samples(write_study(tmp_path, "a", [("the cyst", 1), ("Cyst", 2), ("the cyst", 7)]))
    assert {tuple(s["label_value"]) for s in made} == {(1, 2)}
    assert sorted(s["slice_index"] for s in made) == [1, 2, 3, 4]


def test_slices_are_counted_from_the_feet_however_the_volume_is_stored(tmp_path):
    study = write_study(tmp_path, "a", [("the bright lesion", 2)])
    for path in (study.image, study.label):
        nifti = nibabel.load(path)
        flipped = nibabel.as_closest_canonical(nifti).slicer[:, :, ::-1]
        nibabel.save(nibabel.Nifti1Image(np.asarray(flipped.dataobj), flipped.affine), path)
    assert [s["slice_index"] for s in samples(study)] == [4]


def test_a_long_segment_gives_no_more_than_its_share(tmp_path):
    study = write_study(tmp_path, "a", [("the dark lesion", 1)], shape=(48, 40, 30))
    labels = np.zeros((48, 40, 30), np.uint8)
    labels[5:15, 8:18] = 1
    nibabel.save(nibabel.Nifti1Image(labels, AFFINE), study.label)
    assert len(samples(study)) == MAX_SLICES


@pytest.mark.parametrize("segment", [("background", 1), ("the cyst", 7), (" ", 1), ("the cyst", 0), ("Segment_1", 1)])
def test_segments_without_voxels_or_words_are_left_out(tmp_path, segment):
    assert samples(write_study(tmp_path, "a", [segment])) == []


def test_a_label_that_lies_elsewhere_is_refused(tmp_path):
    study = write_study(tmp_path, "a", affine=np.diag((2.0, -2.0, 5.0, 1.0)))
    with pytest.raises(ValueError, match=r"must lie where its image lies, got corners \d+\.\d mm apart"):
        samples(study)


def test_whole_studies_are_kept_for_validation(tmp_path):
    datalist = split([write_study(tmp_path, name) for name in "abcd"], 0.25)
    studies = {name: {Path(s["image"]).name[0] for s in entries} for name, entries in datalist.items()}
    assert studies == {"validation": {"a"}, "training": {"b", "c", "d"}}


def test_a_single_study_is_validated_on_itself(tmp_path):
    datalist = split([write_study(tmp_path, "a")], 0.2)
    assert datalist["training"] == datalist["validation"]


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_an_impossible_split_is_refused(rate):
    with pytest.raises(ValueError, match=f"val_split must be at least 0 and below 1, got {rate}"):
        split([], rate)


def test_fine_tuning_without_a_named_segment_says_what_is_needed(tmp_path):
    with pytest.raises(ValueError, match="at least one saved segment whose name is an expression, got none"):
        split([write_study(tmp_path, "a", [("background", 0)])], 0.2)


def test_fine_tuning_adds_a_bundle_and_leaves_the_shipped_weights(small_bundle, tmp_path):
    bundle = small_bundle
    before = (bundle / "models" / "model.pt").read_bytes()
    study = write_study(tmp_path, "a", [("$__import__('os').abort()", 1), ("the bright lesion", 2)])
    folder = finetune(bundle, bundle, tmp_path / "models", [study], epochs=1, device="cpu")
    assert (bundle / "models" / "model.pt").read_bytes() == before
    assert (folder / "models" / "model.pt").read_bytes() != before
    assert folder.parent == tmp_path / "models"
    assert stats(folder)["epoch"] == 1
    assert stats(folder)["samples"] == {"training": 4, "validation": 4}
    BundlePredictor(folder, "cpu")


def test_a_failed_fine_tuning_leaves_nothing_behind(small_bundle, tmp_path):
    models = tmp_path / "models"
    (models / ".part_of_a_stopped_training").mkdir(parents=True)
    with pytest.raises(RuntimeError):
        finetune(small_bundle, small_bundle, models, [write_study(tmp_path, "a")], overrides={"hu_window": None})
    assert list(models.iterdir()) == []


def test_a_bundle_without_a_record_of_its_training_has_no_stats(tmp_path):
    assert stats(tmp_path) == {}
