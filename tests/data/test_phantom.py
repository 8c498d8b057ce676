# SPDX-License-Identifier: Apache-2.0
import json

import nibabel
import numpy as np
import pytest

from lsms_monai.data import load_datalist, phantom, write_phantoms
from lsms_monai.data.body import LIVER
from lsms_monai.data.phantom import REGION_RATES

SMALL = {"shape": (61, 53, 1), "spacing": (5.5, 5.5, 5.0)}


def test_the_same_seed_gives_the_same_voxels():
    first, again, other = phantom(5, **SMALL), phantom(5, **SMALL), phantom(6, **SMALL)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.lesions == again.lesions
    assert (first.image != other.image).any()


@pytest.mark.parametrize("shape", [(61, 53, 1), (61, 53, 7)])
def test_arrays_have_the_shape_and_types_promised(shape):
    made = phantom(2, shape=shape, spacing=(5.5, 5.5, 9.0), num_lesions=2)
    assert made.image.shape == made.labels.shape == made.organs.shape == shape
    assert (made.image.dtype, made.labels.dtype, made.organs.dtype) == (np.int16, np.uint8, np.uint8)
    assert nibabel.aff2axcodes(made.affine) == ("L", "P", "S")
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(made.affine), (5.5, 5.5, 9.0))


@pytest.mark.parametrize("num_lesions", range(6))
def test_as_many_lesions_as_asked_for(num_lesions):
    assert len(phantom(1, num_lesions=num_lesions).lesions) == num_lesions


def test_lesions_without_room_are_not_placed():
    made = phantom(1, shape=(5, 5, 1), spacing=(1.0, 1.0, 5.0), num_lesions=3)
    assert made.lesions == []
    assert not made.labels.any()


@pytest.mark.parametrize("num_lesions", [-1, 6])
def test_number_of_lesions_is_bounded(num_lesions):
    with pytest.raises(ValueError, match=f"num_lesions must be between 0 and 5, got {num_lesions}"):
        phantom(0, num_lesions=num_lesions)


@pytest.mark.parametrize("region", ["chest", "abdomen", "pelvis", "thigh"])
@pytest.mark.parametrize("shape", [(61, 53, 1), (61, 53, 5)])
def test_regions_without_a_liver_have_no_lesions(region, shape):
    made = phantom(3, shape=shape, spacing=(6.0, 6.0, 9.0), region=region)
    assert made.region == region
    assert made.lesions == []
    assert not made.labels.any()
    assert LIVER not in made.organs
    assert (made.image > 0).mean() > 0.03


def test_regions_come_at_their_rates_and_a_volume_shows_the_liver():
    regions = [phantom(seed, shape=(8, 8, 1), spacing=(40.0, 40.0, 5.0)).region for seed in range(300)]
    for region, rate in REGION_RATES.items():
        assert abs(regions.count(region) / 300 - rate) < 0.085  # three standard deviations
    assert {phantom(seed, shape=(8, 8, 2), spacing=(40.0, 40.0, 5.0)).region for seed in range(40)} == {"liver"}


def test_where_lesions_are_asked_for_there_is_a_liver():
    assert {phantom(seed, num_lesions=1, **SMALL).region for seed in range(40)} == {"liver"}
    with pytest.raises(ValueError, match='num_lesions must be 0 where there is no liver, got 2; choose the region "li'):
        phantom(0, num_lesions=2, region="chest")


def test_there_is_no_region_of_another_name():
    with pytest.raises(ValueError, match="region must be one of liver, chest, abdomen, pelvis, thigh, got 'head'"):
        phantom(0, region="head")


@pytest.mark.parametrize("wrong", [{"shape": (8, 8)}, {"shape": (8, 8, 0)}, {"spacing": (1.0, 0.0, 1.0)}])
def test_shape_and_spacing_are_three_positive_numbers(wrong):
    with pytest.raises(ValueError, match="shape and spacing must be three positive numbers each"):
        phantom(0, **wrong)


def test_written_phantoms_are_what_the_datalist_says(tmp_path):
    path = write_phantoms(tmp_path / "set", num_patients=10, seed=4, **SMALL)
    sections = {name: load_datalist(path, name) for name in ("training", "validation", "test")}
    patients = {name: {entry["patient_id"] for entry in entries} for name, entries in sections.items()}
    assert [len(ids) for ids in patients.values()] == [8, 1, 1]
    assert len(set.union(*patients.values())) == 10
    for entry in sections["training"]:
        image, label, organ = (nibabel.load(entry[key]) for key in ("image", "label", "organ"))
        assert [file.get_data_dtype() for file in (image, label, organ)] == [np.int16, np.uint8, np.uint8]
        np.testing.assert_array_equal(image.affine, label.affine)
        assert set(np.unique(organ.dataobj)) <= {0, 1}
        assert np.asarray(organ.dataobj)[np.asarray(label.dataobj) > 0].all()
        assert set(entry["label_value"]) <= set(np.unique(label.dataobj))


def test_every_section_gets_a_patient_if_there_are_three(tmp_path):
    path = write_phantoms(tmp_path / "set", num_patients=3, **SMALL)
    assert all(load_datalist(path, name) for name in ("training", "validation", "test"))


def share_without_target(folder, **how):
    path = write_phantoms(folder, num_patients=60, split=(1, 0, 0), shape=(96, 96, 1), spacing=(3.6, 3.6, 5), **how)
    values = [entry["label_value"] for entry in json.loads(path.read_text())["training"]]
    return sum(not value for value in values) / len(values)


def test_some_expressions_mean_nothing_and_all_of_them_where_there_is_no_liver(tmp_path):
    assert 0.05 < share_without_target(tmp_path / "liver", region_rates={"liver": 1}) < 0.3
    assert 0.3 < share_without_target(tmp_path / "default") < 0.6
    assert share_without_target(tmp_path / "others", region_rates={"chest": 0.5, "thigh": 0.5}) == 1


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match="folder for a data set must be new or empty"):
        write_phantoms(tmp_path, num_patients=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setitem(write_phantoms.__globals__, "phantom", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path / "set", num_patients=2)
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_a_patient(tmp_path):
    with pytest.raises(ValueError, match="num_patients must be at least 1, got 0"):
        write_phantoms(tmp_path / "set", num_patients=0)


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1)])
def test_the_split_must_sum_to_one(split, tmp_path):
    with pytest.raises(ValueError, match="split must be three rates that sum to 1"):
        write_phantoms(tmp_path / "set", num_patients=3, split=split)


@pytest.mark.parametrize("rates", [{"liver": 0.5}, {"liver": 1.2, "chest": -0.2}, {}])
def test_the_rates_of_the_regions_must_sum_to_one(rates, tmp_path):
    with pytest.raises(ValueError, match="region_rates must be rates that sum to 1"):
        write_phantoms(tmp_path / "set", num_patients=3, region_rates=rates)


def test_the_rates_are_of_regions_that_exist(tmp_path):
    with pytest.raises(ValueError, match="region must be one of liver, chest, abdomen, pelvis, thigh, got 'head'"):
        write_phantoms(tmp_path / "set", num_patients=1, region_rates={"head": 1})
    assert list(tmp_path.iterdir()) == []
