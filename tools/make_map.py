# SPDX-License-Identifier: Apache-2.0
"""Lay out in dist/map what `monai-deploy package` wants: the application with our package inside, and the models.

The bundle lies one folder below `models`: given the bundle itself, the packager takes each of its folders for a model.
"""

import argparse
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def stage(target: Path, bundle: Path = REPOSITORY / "bundle") -> Path:
    """Write `app` and `models/lsms` into a folder, in the place of what an earlier run left there.

    Args:
        target: made if need be.
        bundle: folder with configs/ and models/.

    Returns:
        The folder.
    """
    shutil.rmtree(target, ignore_errors=True)
    caches = shutil.ignore_patterns("__pycache__", "eval", "*.ts", "*.onnx")
    shutil.copytree(REPOSITORY / "apps" / "deploy", target / "app", ignore=caches)
    shutil.copytree(REPOSITORY / "lsms_monai", target / "app" / "lsms_monai", ignore=caches)
    shutil.copytree(bundle, target / "models" / "lsms", ignore=caches)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", type=Path, default=REPOSITORY / "dist" / "map")
    stage(parser.parse_args().target)
