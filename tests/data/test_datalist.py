# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest

from lsms_monai.data import inference_data, load_datalist, training_data, write_phantoms

ENTRY = {"image": "ct.nii.gz", "label": "lesions.nii.gz", "expression": "the cyst"}


@pytest.fixture
def datalist(tmp_path):
    """Write sections to a datalist beside two files that exist."""
    for name in ("ct.nii.gz", "lesions.nii.gz"):
        (tmp_path / name).touch()

    def write(name="datalist.json", **sections):
        (tmp_path / name).write_text(json.dumps({"name": "mine", **sections}))
        return tmp_path / name

    return write


def test_entries_have_absolute_paths_and_lists_of_values(datalist, tmp_path):
    path = datalist(
        training=[{**ENTRY, "label_value": 2, "slice_index": 0, "patient_id": 7}, {**ENTRY, "label_value": []}]
    )
    first, second = load_datalist(path)
    assert first["image"] == str(tmp_path / "ct.nii.gz")
    assert (first["label_value"], first["slice_index"], first["patient_id"]) == ([2], 0, "7")
    assert second["label_value"] == []


def test_a_value_that_is_absent_stays_absent(datalist):
    assert "label_value" not in load_datalist(datalist(training=[ENTRY]))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "nowhere.nii"}, '"image" must exist, got .*nowhere.nii; paths are relative to'),
        ({"label": "nowhere.nii"}, '"label" must exist, got .*nowhere.nii'),
        ({"organ": "nowhere.nii"}, '"organ" must exist, got .*nowhere.nii'),
        ({"image": 5}, '"image" must be a path, got 5'),
        ({"expression": ""}, "\"expression\" must be a text that is not empty, got ''"),
        ({"expression": "  \t"}, '"expression" must be a text that is not empty'),
        ({"expression": ["the cyst"]}, '"expression" must be a text that is not empty, got .*the cyst'),
        ({"slice_index": -1}, '"slice_index" must be an int of 0 or more, got -1'),
        ({"slice_index": 1.0}, '"slice_index" must be an int of 0 or more, got 1.0'),
        ({"label_value": "2"}, "\"label_value\" must be an int of 1 or more, or a list of them, got '2'"),
        ({"label_value": [1, True]}, '"label_value" must be an int of 1 or more'),
        ({"label_value": 0}, '"label_value" must be an int of 1 or more'),
        ({"patient_id": None}, '"patient_id" must be a text or an int, got None'),
        ({"caption": "the cyst"}, r'key "caption" is not known; use \[\'image\''),
    ],
)
def test_a_wrong_entry_is_named(change, message, datalist):
    path = datalist(training=[ENTRY, {**ENTRY, **change}])
    with pytest.raises(ValueError, match=rf'{re.escape(str(path))}, section "training", entry 1: {message}'):
        load_datalist(path)


@pytest.mark.parametrize("key", ["image", "label", "expression"])
def test_a_missing_key_is_named(key, datalist):
    path = datalist(training=[{k: v for k, v in ENTRY.items() if k != key}])
    with pytest.raises(ValueError, match=f'entry 0: "{key}" is required, got only'):
        load_datalist(path)


def test_an_entry_must_be_an_object(datalist):
    with pytest.raises(ValueError, match=r"entry 0: must be an object with .*, got 'ct.nii.gz'"):
        load_datalist(datalist(training=["ct.nii.gz"]))


def test_a_patient_in_two_sections_is_named(datalist):
    path = datalist(training=[ENTRY, {**ENTRY, "patient_id": "P1"}], test=[{**ENTRY, "patient_id": "P1"}])
    with pytest.raises(
        ValueError, match=r'"P1" must stand in one section, got "training" \(entry 1\) and "test" \(entry 0\)'
    ):
        load_datalist(path)


def test_a_missing_section_is_named(datalist):
    with pytest.raises(ValueError, match=r"must have a section \"validation\", got \['training'\]"):
        load_datalist(datalist(training=[ENTRY]), "validation")


def test_an_empty_section_is_named(datalist):
    with pytest.raises(ValueError, match='section "training" must hold at least one entry'):
        load_datalist(datalist(training=[]))


def test_a_missing_datalist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"datalist must be an existing JSON file, got .*nowhere.json"):
        load_datalist(tmp_path / "nowhere.json")


@pytest.mark.parametrize(("text", "message"), [("{,}", "got an error in it: .*line 1"), ("[1]", "got a list")])
def test_a_file_that_is_no_datalist_is_named(text, message, tmp_path):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_datalist(tmp_path / "list.json")


def test_own_data_are_found_in_the_folder_or_by_the_datalist(datalist, tmp_path):
    path = datalist(training=[ENTRY])
    found = load_datalist(path)
    (tmp_path / "elsewhere").mkdir()
    elsewhere = path.rename(tmp_path / "elsewhere" / "mine.json")
    assert training_data(tmp_path, "training", elsewhere) == found
    datalist(training=[ENTRY])
    assert training_data(tmp_path, "training") == training_data(None, "training", path) == found


def test_entries_without_words_are_trained_with_those_of_the_configuration(datalist, tmp_path):
    path = datalist(training=[{key: ENTRY[key] for key in ("image", "label")}, ENTRY])
    entries = training_data(tmp_path, "training", path, expression="liver lesion")
    assert [entry["expression"] for entry in entries] == ["liver lesion", "the cyst"]


def test_phantoms_are_made_once(tmp_path, monkeypatch):
    small = {"num_patients": 4, "shape": (40, 40, 1), "spacing": (8.0, 8.0, 5.0)}
    calls = []

    def small_phantoms(folder, num_patients, seed):
        calls.append(seed)
        return write_phantoms(folder, **{**small, "num_patients": num_patients, "seed": seed})

    monkeypatch.setitem(training_data.__globals__, "write_phantoms", small_phantoms)
    knobs = {"phantom_dir": tmp_path / "phantom", "num_phantoms": 4, "seed": 5}
    first = training_data(None, "training", **knobs)
    assert training_data(None, "training", **knobs) == first
    assert {entry["patient_id"] for entry in first}.isdisjoint(
        entry["patient_id"] for entry in training_data(None, "validation", **knobs)
    )
    assert {entry["expression"] for entry in training_data(None, "test", wording="empty", **knobs)} == {""}
    assert calls == [5]


def test_phantoms_made_otherwise_are_not_taken_for_the_ones_asked_for(tmp_path):
    write_phantoms(tmp_path / "phantom", num_patients=3, shape=(40, 40, 1), spacing=(8.0, 8.0, 5.0))
    with pytest.raises(ValueError, match=r"must hold phantoms made with .*4.*, got .*3.*; remove it or choose another"):
        training_data(None, "training", phantom_dir=tmp_path / "phantom", num_phantoms=4)


def test_inference_takes_a_datalist_without_labels_and_fills_in_the_expression(datalist, tmp_path):
    path = datalist(test=["ct.nii.gz", {"image": "ct.nii.gz", "expression": "the cyst"}])
    entries = inference_data(None, path, "the mass")
    assert [entry["expression"] for entry in entries] == ["the mass", "the cyst"]
    assert inference_data(tmp_path, expression="the mass") == entries


def test_inference_takes_a_folder_of_images_or_one_image(tmp_path):
    for name in ("b.nii.gz", "a.nrrd", "readme.txt"):
        (tmp_path / name).touch()
    entries = inference_data(tmp_path, expression="the mass")
    assert entries == [{"image": str(tmp_path / name), "expression": "the mass"} for name in ("a.nrrd", "b.nii.gz")]
    assert inference_data(tmp_path / "b.nii.gz", expression="the mass") == entries[1:]


def test_inference_without_data_makes_one_phantom_volume(tmp_path):
    (entry,) = inference_data(None, expression="the largest lesion", phantom_dir=tmp_path / "phantom")
    assert entry["expression"] == "the largest lesion"
    assert inference_data(None, expression="the largest lesion", phantom_dir=tmp_path / "phantom") == [entry]
