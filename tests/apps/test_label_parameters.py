# SPDX-License-Identifier: Apache-2.0
import pytest
from lib.parameters import MAX_EXPRESSIONS, parse_parameters, refuse_path, refuse_stranger, result_format, split_prompt


def test_semicolons_separate_expressions_and_repeated_ones_are_asked_once():
    assert split_prompt(" the cyst;; the largest lesion ;the cyst") == ["the cyst", "the largest lesion"]


@pytest.mark.parametrize("prompt", ["", "  ", ";;"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(ValueError, match=r"prompt must name a lesion in words, got nothing; for example"):
        split_prompt(prompt)


@pytest.mark.parametrize("prompt", [None, 3, ["the cyst"], {}])
def test_a_prompt_that_is_no_text_is_refused(prompt):
    with pytest.raises(ValueError, match=r"prompt must be a text that names a lesion, got"):
        split_prompt(prompt)


def test_too_many_expressions_are_refused():
    with pytest.raises(ValueError, match=rf"at most {MAX_EXPRESSIONS} expressions, got {MAX_EXPRESSIONS + 1}"):
        split_prompt(";".join(map(str, range(MAX_EXPRESSIONS + 1))))


def test_parameters_are_read_as_json_and_may_be_absent():
    assert parse_parameters('{"prompt": "$x"}') == {"prompt": "$x"}
    assert parse_parameters(None) == {}


@pytest.mark.parametrize("text", ["{", "prompt=the cyst"])
def test_parameters_that_are_no_json_are_refused(text):
    with pytest.raises(ValueError, match="params must be a JSON object, it cannot be read"):
        parse_parameters(text)


@pytest.mark.parametrize("text", ["[]", '"the cyst"', "null", "3"])
def test_parameters_that_are_no_object_are_refused(text):
    with pytest.raises(ValueError, match=r"params must be a JSON object such as .*, got"):
        parse_parameters(text)


@pytest.mark.parametrize("name", ["image", "session", "model", "bundle_path"])
def test_parameters_may_not_choose_the_file_to_read(name):
    with pytest.raises(ValueError, match=f"params may not hold {name}: the address of the request says it"):
        parse_parameters(f'{{"prompt": "the cyst", "{name}": "/etc/passwd"}}')


def test_a_result_has_the_format_of_the_image_unless_another_is_asked_for():
    assert result_format({}, "ct.nrrd") == (".nrrd", "uint8")
    assert result_format({}, "series_folder") == (".nii.gz", "uint8")
    assert result_format({"result_extension": ".nii", "result_dtype": "int16"}, "ct.nrrd") == (".nii", "int16")


@pytest.mark.parametrize("asked", [{"result_extension": ".py"}, {"result_dtype": "object"}])
def test_another_format_is_refused(asked):
    with pytest.raises(ValueError, match=r"result_(extension|dtype) must be one of .*, got"):
        result_format(asked, "ct.nii.gz")


@pytest.mark.parametrize("value", ["../ct", "/etc/passwd", "a\\b", ".."])
def test_a_name_that_is_a_path_is_refused(value):
    with pytest.raises(ValueError, match="tag must be a plain name, got"):
        refuse_path("tag", ["final", value])


def test_pages_of_this_server_and_of_allowed_ones_may_use_it_and_so_may_programs():
    refuse_stranger("http://127.0.0.1:8000", "127.0.0.1:8000", [])
    refuse_stranger("https://viewer.example.org", "127.0.0.1:8000", ["https://viewer.example.org"])
    refuse_stranger(None, "127.0.0.1:8000", [])


@pytest.mark.parametrize("origin", ["http://evil.example.org", "http://127.0.0.1:9000", "null"])
def test_pages_of_other_servers_are_refused(origin):
    with pytest.raises(ValueError, match=rf"pages of {origin} may not use this server; start it with --conf origins"):
        refuse_stranger(origin, "127.0.0.1:8000", ["https://viewer.example.org"])
