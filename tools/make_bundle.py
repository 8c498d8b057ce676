# SPDX-License-Identifier: Apache-2.0
"""Pack the bundle and a copy of the package into one zip that runs with nothing but its own folder on the path.

The same files give the same bytes: names are sorted and time stamps fixed.
"""

import argparse
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NAME = "lsms_ct_referring_segmentation"
MAX_WEIGHTS_BYTES = 90 * 1024**2
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows
REQUIRED = (
    "LICENSE",
    "configs/metadata.json",
    "configs/logging.conf",
    "configs/inference.json",
    "configs/inference_trt.json",
    "configs/train.json",
    "configs/evaluate.json",
    "configs/multi_gpu_train.json",
    "models/model.pt",
    "docs/README.md",
    "docs/data_license.txt",
    "lsms_monai/__init__.py",
    "lsms_monai/assets/minilm_l6/vocab.txt",
)
PACKED_SUFFIXES = {"LICENSE": "", "configs": ".json .conf", "models": ".pt", "docs": ".md .txt .png"}
PACKAGE_SUFFIXES = {".py", ".typed", ".json", ".txt"}


def collect(repository: Path = REPOSITORY) -> dict[str, Path]:
    """Find what belongs into the zip: name inside the bundle's folder -> file on disk, sorted by name."""
    found = dict(_bundle_files(repository / "bundle"))
    for path in (repository / "lsms_monai").rglob("*"):
        if path.is_file() and path.suffix in PACKAGE_SUFFIXES:
            found[path.relative_to(repository).as_posix()] = path
    return dict(sorted(found.items()))


def check(files: dict[str, Path]) -> None:
    """Refuse a bundle that could not run.

    Raises:
        ValueError: if a required file is missing, the weights are too large, or the versions disagree.
    """
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise ValueError(f"the bundle must hold {', '.join(missing)}; add what is missing to bundle/ and pack again")
    size = files["models/model.pt"].stat().st_size
    if size > MAX_WEIGHTS_BYTES:
        raise ValueError(
            f"models/model.pt must have at most 90 MiB, got {size / 1024**2:.1f}; store the text encoder in float16"
        )
    metadata = json.loads(files["configs/metadata.json"].read_text())
    version = re.search(r'^__version__ = "(.+)"$', files["lsms_monai/__init__.py"].read_text(), re.MULTILINE)
    if version is None or metadata["version"] != version[1]:
        raise ValueError(
            f"metadata.json and lsms_monai must have one version, got {metadata['version']!r} and "
            f"{version and version[1]!r}; make them equal"
        )


def pack(files: dict[str, Path], target: Path, name: str = NAME) -> Path:
    """Write the zip, whole or not at all, with one top folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w") as archive:
        for inner, path in files.items():
            entry = zipfile.ZipInfo(f"{name}/{inner}", TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), compresslevel=6)
    with zipfile.ZipFile(part) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise OSError(f"{broken} was damaged while it was packed; check the disk and pack again")
    return part.replace(target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack the checkout; return 0, or 1 with the reason on the standard error stream."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=REPOSITORY / "dist" / f"{NAME}.zip", help="the zip to write")
    target = parser.parse_args(arguments).output
    files = collect()
    try:
        check(files)
        pack(files, target)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"make_bundle: {error}\n")
        return 1
    sys.stdout.write(f"{target}: {len(files)} files, {target.stat().st_size / 1024**2:.1f} MiB\n")
    return 0


def _bundle_files(bundle: Path) -> Iterator[tuple[str, Path]]:
    for top, suffixes in PACKED_SUFFIXES.items():
        paths = [bundle / top] if not suffixes else sorted((bundle / top).glob("*"))
        for path in paths:
            if path.is_file() and (not suffixes or path.suffix in suffixes.split()):
                yield path.relative_to(bundle).as_posix(), path


if __name__ == "__main__":
    sys.exit(main())
