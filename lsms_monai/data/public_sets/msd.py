# SPDX-License-Identifier: Apache-2.0
"""Medical Segmentation Decathlon Task03 and LiTS: CT volumes whose label map holds 1 for liver and 2 for tumour."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from lsms_monai.data.attributes import instance_map
from lsms_monai.data.description import read_aligned
from lsms_monai.data.draft import Draft
from lsms_monai.data.public_sets.case import Case, Options, described_entries

LIVER, LESION = 1, 2
_SUFFIXES = (".nii.gz", ".nii")


def msd_cases(folder: str | Path) -> list[Case]:
    """Find the labelled volumes.

    Args:
        folder: with `dataset.json`, or `imagesTr` and `labelsTr`, or `volume-N.nii` and `segmentation-N.nii` at any
            depth.

    Raises:
        FileNotFoundError: if there is none of these.
        ValueError: if `dataset.json` has no list "training".
    """
    folder = Path(folder)
    if (folder / "dataset.json").is_file():
        pairs = _listed(folder)
    elif (folder / "imagesTr").is_dir():
        pairs = [
            (image, folder / "labelsTr" / image.name) for image in sorted((folder / "imagesTr").glob("[!.]*.nii*"))
        ]
    else:
        pairs = _lits_pairs(folder)
    if not pairs:
        raise FileNotFoundError(
            f"{folder} must hold dataset.json, imagesTr and labelsTr, or volume-N.nii and segmentation-N.nii, got none "
            "of them; name the folder that was unpacked"
        )
    return [Case(_stem(image), _stem(image), partial(_make, image, label)) for image, label in pairs]


def _listed(folder: Path) -> list[tuple[Path, Path]]:
    path = folder / "dataset.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["training"]
        return [(folder / item["image"], folder / item["label"]) for item in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} must hold a list "training" of objects with "image" and "label", got {error!r}; get the file again'
        ) from None


def _lits_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Volumes and their segmentations, wherever each lies."""
    labels = {_stem(path): path for path in sorted(folder.rglob("segmentation-*.nii*"))}
    images = sorted(folder.rglob("volume-*.nii*"))
    names = [(image, _stem(image).replace("volume", "segmentation")) for image in images]
    return [(image, labels.get(name, image.with_name(f"{name}.nii"))) for image, name in names]


def _stem(path: Path) -> str:
    return next((path.name.removesuffix(suffix) for suffix in _SUFFIXES if path.name.endswith(suffix)), path.stem)


def _make(image: Path, label: Path, draft: Draft, generator: Generator, options: Options) -> list[dict[str, Any]]:
    hu, (codes,), affine = read_aligned(image, label)
    odd = sorted(set(np.unique(codes).tolist()) - {0, LIVER, LESION})
    if odd:
        raise ValueError(f"{label} must hold 0, {LIVER} (liver) and {LESION} (lesion), got {odd[:5]} too")
    labels = instance_map(codes == LESION, np.linalg.norm(affine[:3, :3], axis=0))
    written = draft.write_map(f"{_stem(image)}_lesions", labels, affine)
    return described_entries(draft, image, written, (hu, labels, codes > 0, affine), generator, options)
