# SPDX-License-Identifier: Apache-2.0
"""Seeded CT-like bodies in HU with liver lesions, exact masks and expressions: data without a download."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from lsms_monai.data.anatomy import REGIONS, build_anatomy
from lsms_monai.data.body import LIVER, centred_grid
from lsms_monai.data.clarity import clear_expressions
from lsms_monai.data.draft import SECTIONS, whole_or_nothing, write_nifti
from lsms_monai.data.lesions import place_lesions
from lsms_monai.data.meaning import LesionAttributes
from lsms_monai.data.scan import draw_scanner, scan
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, ORGAN, PATIENT_ID

NUM_LESIONS_RATES = (0.05, 0.13, 0.29, 0.29, 0.16, 0.08)  # of images with 0, 1, ... 5 lesions
REGION_RATES = {"liver": 0.62, "chest": 0.18, "abdomen": 0.1, "pelvis": 0.06, "thigh": 0.04}  # of slices
RECIPE = 8  # raise it when a seed no longer gives the same voxels and expressions
SLICE_SHAPE, VOLUME_SHAPE = (160, 160, 1), (160, 160, 24)  # voxels (W, H, D)
SPACING_MM = (2.0, 2.0, 5.0)
REACH_MM = {"liver": 70.0}  # how far above and below its middle a slice may cut a region, 50 mm for the others


@dataclass
class Phantom:
    """One body region; the arrays are (W, H, D) in LPS order.

    Args:
        image: int16 HU.
        labels: uint8 instance map, 0 for none, then the `value` of each lesion.
        organs: uint8 map of the organ codes in `lsms_monai.data.body`, lesions counted as liver.
        lesions: attributes of each lesion.
        affine: (4, 4), voxel to RAS mm.
        liver_hu: HU of the parenchyma.
        region: one of `lsms_monai.data.anatomy.REGIONS`.
        phase: contrast, a key of `lsms_monai.data.body.PHASES`.
    """

    image: np.ndarray
    labels: np.ndarray
    organs: np.ndarray
    lesions: list[LesionAttributes]
    affine: np.ndarray
    liver_hu: float
    region: str
    phase: str


def phantom(
    seed: int | Sequence[int] | Generator,
    *,
    shape: tuple[int, int, int] = SLICE_SHAPE,
    spacing: tuple[float, float, float] = SPACING_MM,
    num_lesions: int | None = None,
    region: str | None = None,
) -> Phantom:
    """Make one body region; the same seed gives the same voxels.

    Args:
        seed: integers or a numpy generator.
        shape: voxels (W, H, D); one slice if D is 1.
        spacing: voxel size in mm.
        num_lesions: lesions to place, 0 to 5, fewer if the liver has no room or the noise would hide one; drawn at
            random if None.
        region: one of `lsms_monai.data.anatomy.REGIONS`, of which only "liver" has lesions; if None, "liver" for
            volumes and where lesions are asked for, and for slices at the rates of `REGION_RATES`.

    Raises:
        ValueError: if `num_lesions` is not between 0 and 5, or above 0 in a region without a liver, if there is no such
            region, or if shape or spacing are not three positive numbers.
    """
    generator = np.random.default_rng(seed)
    _check(shape, spacing, num_lesions, region)
    if region is None:
        region = "liver" if num_lesions or shape[2] > 1 else _one_of(generator, REGION_RATES)
    if num_lesions is None:
        num_lesions = int(generator.choice(6, p=NUM_LESIONS_RATES))
    reach = REACH_MM.get(region, 50.0) if shape[2] == 1 else 12.0
    grid = centred_grid(shape, spacing, generator.uniform(-reach, reach))
    body = build_anatomy(generator, grid, region)
    scanner, number = draw_scanner(generator), num_lesions if region == "liver" else 0
    labels, lesions = place_lesions(generator, body, grid, spacing, number, scanner=scanner)
    affine = np.diag((-spacing[0], -spacing[1], spacing[2], 1.0))
    affine[:3, 3] = [-float(grid[0].flat[0]), -float(grid[1].flat[0]), float(grid[2].flat[0])]
    image = scan(generator, body.hu, spacing, scanner)
    return Phantom(image, labels, body.organs, lesions, affine, body.liver_hu, region, body.phase)


def _check(shape: Sequence[int], spacing: Sequence[float], num_lesions: int | None, region: str | None) -> None:
    """Raise a ValueError if `phantom` cannot make what was asked for."""
    if num_lesions is not None and not 0 <= num_lesions <= 5:
        raise ValueError(f"num_lesions must be between 0 and 5, got {num_lesions}")
    if region is not None and region not in REGIONS:
        raise ValueError(f"region must be one of {', '.join(REGIONS)}, got {region!r}")
    if num_lesions and region not in (None, "liver"):
        raise ValueError(f'num_lesions must be 0 where there is no liver, got {num_lesions}; choose the region "liver"')
    if len(shape) != 3 or len(spacing) != 3 or min(shape) < 1 or min(spacing) <= 0:
        raise ValueError(f"shape and spacing must be three positive numbers each, got {shape} and {spacing}")


def _one_of(generator: Generator, rates: Mapping[str, float]) -> str:
    """Draw a name at its rate."""
    return str(generator.choice(list(rates), p=list(rates.values())))


def write_phantoms(
    out_dir: str | Path,
    *,
    num_patients: int,
    split: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    shape: tuple[int, int, int] = SLICE_SHAPE,
    spacing: tuple[float, float, float] = SPACING_MM,
    expressions_per_image: int = 3,
    num_lesions: int | None = None,
    region_rates: Mapping[str, float] | None = None,
) -> Path:
    """Write phantoms, whole or not at all: `images/`, `labels/`, `organs/` (masks of the liver) and `datalist.json`.

    Args:
        out_dir: new or empty folder.
        num_patients: phantoms to write, each a patient of its own.
        split: rates of training, validation and test.
        seed: base of every phantom's seed.
        shape: voxels (W, H, D) of each image.
        spacing: voxel size in mm.
        expressions_per_image: datalist entries per image.
        num_lesions: lesions in each image, drawn at random if None.
        region_rates: share of each body region, such as {"liver": 1}; as `phantom` draws them if None.

    Returns:
        Path of the datalist.

    Raises:
        FileExistsError: if `out_dir` holds anything.
        ValueError: if `num_patients` is not positive, `split` is not three rates that sum to 1, or `region_rates` not
            rates of regions that sum to 1.
    """
    if num_patients < 1:
        raise ValueError(f"num_patients must be at least 1, got {num_patients}")
    if len(split) != 3 or min(split) < 0 or not np.isclose(sum(split), 1):
        raise ValueError(f"split must be three rates that sum to 1, got {tuple(split)}")
    if region_rates is not None and (
        min(region_rates.values(), default=0) < 0 or not np.isclose(sum(region_rates.values()), 1)
    ):
        raise ValueError(f"region_rates must be rates that sum to 1, got {dict(region_rates)}")
    ends = _section_ends(num_patients, split)
    sections: dict[str, list[dict]] = {section: [] for section in SECTIONS}
    with whole_or_nothing(Path(out_dir)) as folder:
        for number in range(num_patients):
            generator = np.random.default_rng((seed, number))
            region = None if region_rates is None else _one_of(generator, region_rates)
            made = phantom(generator, shape=shape, spacing=spacing, num_lesions=num_lesions, region=region)
            section = sections[SECTIONS[int(np.searchsorted(ends, number, side="right"))]]
            section += _write_one(folder, f"phantom_{number:05d}", made, generator, expressions_per_image)
        made_of = {"num_patients": num_patients, "seed": seed, "recipe": RECIPE}
        datalist = {"name": "LSMS phantoms", "phantom": made_of, **sections}
        (folder / "datalist.json").write_text(json.dumps(datalist, indent=1) + "\n")
    return Path(out_dir) / "datalist.json"


def _section_ends(num_patients: int, split: Sequence[float]) -> np.ndarray:
    """Where each section ends in the list of patients; with enough patients, none of a rate above 0 is empty."""
    counts = np.round(np.asarray(split) * num_patients).astype(int)
    if num_patients >= len(split):
        counts = np.maximum(counts, np.asarray(split) > 0)
    largest = int(np.argmax(split))
    counts[largest] = max(0, num_patients - (counts.sum() - counts[largest]))
    return np.cumsum(counts)


def _write_one(folder: Path, name: str, made: Phantom, generator: Generator, num_expressions: int) -> list[dict]:
    """Write image, label map and liver; return the datalist entries."""
    files = {IMAGE: f"images/{name}.nii.gz", LABEL: f"labels/{name}.nii.gz", ORGAN: f"organs/{name}.nii.gz"}
    liver = (made.organs == LIVER).astype(np.uint8)
    for key, array in ((IMAGE, made.image), (LABEL, made.labels), (ORGAN, liver)):
        write_nifti(folder / files[key], array, made.affine)
    drawn = clear_expressions(made.lesions, generator, 2 * num_expressions, in_mm=True)
    return [
        {**files, EXPRESSION: expression.text, LABEL_VALUE: list(expression.label_value), PATIENT_ID: name}
        for expression in drawn[:num_expressions]
    ]
