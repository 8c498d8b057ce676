# SPDX-License-Identifier: Apache-2.0
"""Lay out in dist/map what `monai-deploy package` wants: the application with our package inside, and the models.

The bundle lies one folder below `models`: given the bundle itself, the packager takes each of its folders for a model.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def stage(target: Path, bundle: Path = REPOSITORY / "bundle") -> Path:
    """Write `app` and `models/lsms` into a folder, in the place of what an earlier run left there.

    Args:
        target: made if need be; new, empty, or made by this function.
        bundle: folder with configs/ and models/.

    Returns:
        The folder.

    Raises:
        FileExistsError: if there is something else in the folder.
    """
    _clear(target)
    caches = shutil.ignore_patterns("__pycache__", "eval", "*.ts", "*.onnx")
    shutil.copytree(REPOSITORY / "apps" / "deploy", target / "app", ignore=caches)
    shutil.copytree(REPOSITORY / "lsms_monai", target / "app" / "lsms_monai", ignore=caches)
    shutil.copytree(bundle, target / "models" / "lsms", ignore=caches)
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Lay out the folder; return 0, or 1 with the reason on the standard error stream."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", type=Path, default=REPOSITORY / "dist" / "map")
    try:
        stage(parser.parse_args(arguments).target)
    except OSError as error:
        sys.stderr.write(f"make_map: {error}\n")
        return 1
    return 0


def _clear(target: Path) -> None:
    """Remove what an earlier run left, which the copy of our package tells from the files of others."""
    names = {path.name for path in target.iterdir()} if target.is_dir() else set()
    is_ours = names <= {"app", "models"} and (target / "app" / "lsms_monai" / "__init__.py").is_file()
    if (target.exists() and not target.is_dir()) or (names and not is_ours):
        raise FileExistsError(
            f"target must be a folder that is new, empty or of an earlier run, got {target}, which is not; "
            "choose another one, or remove it yourself"
        )
    for name in names:
        shutil.rmtree(target / name)


if __name__ == "__main__":
    sys.exit(main())
