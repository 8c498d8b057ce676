# SPDX-License-Identifier: Apache-2.0
"""The packed bundle: complete, the same bytes every time, and refused where it could not run."""

import shutil
import subprocess
import sys
import zipfile

import make_bundle
import pytest


@pytest.fixture
def tree(tmp_path, repository):
    """A checkout with weights that are quick to pack."""
    for folder in ("bundle", "lsms_monai"):
        shutil.copytree(repository / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pt"))
    (tmp_path / "bundle/models").mkdir(exist_ok=True)
    (tmp_path / "bundle/models/model.pt").write_bytes(b"weights")
    return tmp_path


def test_there_is_one_top_folder_with_the_package_and_without_caches(tree):
    (tree / "lsms_monai/__pycache__").mkdir(exist_ok=True)
    (tree / "lsms_monai/__pycache__/keys.pyc").write_bytes(b"")
    files = make_bundle.collect(tree)
    make_bundle.check(files)
    names = zipfile.ZipFile(make_bundle.pack(files, tree / "dist/x.zip")).namelist()
    assert {name.partition("/")[0] for name in names} == {make_bundle.NAME}
    assert f"{make_bundle.NAME}/lsms_monai/cli/segment.py" in names
    assert not [name for name in names if "__pycache__" in name]


def test_the_same_files_give_the_same_bytes(tree):
    first = make_bundle.pack(make_bundle.collect(tree), tree / "first.zip").read_bytes()
    (tree / "bundle/LICENSE").touch()
    assert make_bundle.pack(make_bundle.collect(tree), tree / "second.zip").read_bytes() == first


def test_missing_weights_are_named(tree):
    (tree / "bundle/models/model.pt").unlink()
    with pytest.raises(ValueError, match=r"must hold models/model\.pt"):
        make_bundle.check(make_bundle.collect(tree))


def test_weights_that_are_too_large_are_refused(tree, monkeypatch):
    monkeypatch.setattr(make_bundle, "MAX_WEIGHTS_BYTES", 3)
    with pytest.raises(ValueError, match="at most 90 MiB"):
        make_bundle.check(make_bundle.collect(tree))


def test_two_versions_are_refused(tree):
    (tree / "lsms_monai/__init__.py").write_text('__version__ = "9.9.9"\n')
    with pytest.raises(ValueError, match="must have one version"):
        make_bundle.check(make_bundle.collect(tree))


@pytest.mark.slow
def test_the_unpacked_bundle_runs_with_nothing_but_its_folder_on_the_path(tmp_path, repository):
    files = make_bundle.collect(repository)
    make_bundle.check(files)
    zipfile.ZipFile(make_bundle.pack(files, tmp_path / "bundle.zip")).extractall(tmp_path)
    folder = tmp_path / make_bundle.NAME
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/inference.json"]
    subprocess.run([*command, "--output_dir", str(tmp_path / "out")], cwd=folder, check=True, capture_output=True)
    assert list((tmp_path / "out").glob("*.nii.gz"))
