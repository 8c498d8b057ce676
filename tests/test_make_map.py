# SPDX-License-Identifier: Apache-2.0
"""The layout for the packager: made again at will, and never in the place of a person's files."""

import make_map
import pytest


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    (tmp_path / "bundle" / "configs" / "inference.json").write_text("{}")
    return tmp_path / "bundle"


def test_an_earlier_layout_is_replaced(tmp_path, bundle):
    target = make_map.stage(tmp_path / "dist" / "map", bundle)
    (target / "app" / "left_over.py").touch()
    make_map.stage(target, bundle)
    assert not (target / "app" / "left_over.py").exists()
    for name in ("app/app.yaml", "app/lsms_monai/__init__.py", "models/lsms/configs/inference.json"):
        assert (target / name).is_file()


@pytest.mark.parametrize("name", ["notes.txt", "app/main.py", "models/model.pt"])
def test_a_folder_of_other_files_is_refused(name, tmp_path, bundle):
    file = tmp_path / "home" / name
    file.parent.mkdir(parents=True)
    file.touch()
    message = r"target must be a folder that is new, empty or of an earlier run, got .*home, which is not; choose"
    with pytest.raises(FileExistsError, match=message):
        make_map.stage(tmp_path / "home", bundle)
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == [file]


def test_a_layout_with_other_files_is_refused_in_one_line(tmp_path, bundle, capsys):
    target = make_map.stage(tmp_path / "map", bundle)
    (target / "notes.txt").touch()
    assert make_map.main([str(target)]) == 1
    assert capsys.readouterr().err.startswith("make_map: target must be a folder that is new")
    assert (target / "notes.txt").is_file()


def test_a_file_is_refused(tmp_path, bundle):
    (tmp_path / "map").touch()
    with pytest.raises(FileExistsError, match="target must be a folder"):
        make_map.stage(tmp_path / "map", bundle)
