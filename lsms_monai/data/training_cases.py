# SPDX-License-Identifier: Apache-2.0
"""Where the slices of the training set come from, each with the section that its patient belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from lsms_monai.data.body import LIVER
from lsms_monai.data.description import read_aligned
from lsms_monai.data.meaning import LesionAttributes
from lsms_monai.data.outlines import Outlines
from lsms_monai.data.phantom import VOLUME_SHAPE, phantom
from lsms_monai.data.reader import CTReader
from lsms_monai.data.synthesis import synthesize
from lsms_monai.keys import UNKNOWN_VALUE

SPLIT = {"training": 0.84, "validation": 0.08, "test": 0.08}  # of the patients of each source
SPLIT_SEED = 5
LARGEST_MM = (320.0, 256.0)  # of what is written; a larger body is shrunk if its scale is not known
SLICE_MM = 5.0  # from slice to slice
PICTURE_SPACING_MM = 1.5  # taken for a slice whose pixel size nobody knows
VOLUME, WITHOUT_LIVER, REAL = "volume", "without liver", "real"
MIN_LIVER_PIXELS = 300
NUM_SLICES = 6  # that are taken of a phantom volume
MIN_LESION_MM2 = 30.0  # a smaller end of a lesion is hardly seen and not learned from


@dataclass(frozen=True, eq=False)
class Case:
    """One slice of the set; the arrays are (W, H) in LPS order."""

    name: str
    patient: str
    source: str
    image: np.ndarray
    labels: np.ndarray
    liver: np.ndarray
    lesions: Sequence[LesionAttributes]
    in_mm: bool
    spacing: float


def phantom_cases(number: int, spacing: float, seed: int) -> Iterator[tuple[str, Case, Generator]]:
    """Phantoms, each a patient."""
    sections = _split([f"phantom_{index:05d}" for index in range(number)])
    side = round(LARGEST_MM[0] / spacing)
    for index, (name, section) in enumerate(sections.items()):
        generator = np.random.default_rng((seed, index, SPLIT_SEED))  # none that `write_phantoms` draws and tests on
        made = phantom(generator, shape=(side, side, 1), spacing=(spacing, spacing, SLICE_MM))
        liver = made.organs[..., 0] == LIVER
        case = Case(name, name, "phantom", made.image[..., 0], made.labels[..., 0], liver, made.lesions, True, spacing)
        yield section, case, generator


def volume_cases(number: int, spacing: float, seed: int) -> Iterator[tuple[str, Case, Generator]]:
    """Slices of phantom volumes, which cut their lesions anywhere, and one that shows none if any does.

    For training alone.
    """
    side, depth = round(LARGEST_MM[0] / spacing), VOLUME_SHAPE[2]
    for index in range(number):
        patient, generator = f"volume_{index:05d}", np.random.default_rng((seed, index, SPLIT_SEED, depth))
        made = phantom(generator, shape=(side, side, depth), spacing=(spacing, spacing, SLICE_MM))
        shuffled = generator.permutation(depth)
        without = np.count_nonzero(made.labels, axis=(0, 1))[shuffled] == 0
        order = shuffled[np.argsort(without, kind="stable")]
        for z in (*order[: NUM_SLICES - 1], order[-1]):
            labels = made.labels[..., z].copy()
            areas = np.bincount(labels.ravel()) * spacing**2
            labels[(labels > 0) & (areas[labels] < MIN_LESION_MM2)] = UNKNOWN_VALUE
            image, liver = made.image[..., z], made.organs[..., z] == LIVER
            case = Case(f"{patient}_{z:02d}", patient, VOLUME, image, labels, liver, made.lesions, True, spacing)
            yield "training", case, generator


def liver_cases(
    folder: str | Path, copies: int, spacing: float, seed: int, outlines: Mapping[str, Outlines]
) -> Iterator[tuple[str, Case, Generator]]:
    """Syntheses in real livers, and the slices that people have looked at as they are."""
    reader = CTReader()
    files = _files(folder, "*_img.png")
    sections = _split(sorted({path.name.split("_")[0] for path in files}))
    picture_spacing = (PICTURE_SPACING_MM, PICTURE_SPACING_MM, SLICE_MM)
    for index, path in enumerate(files):
        patient, slice_name = path.name.split("_")[0], path.name.removesuffix("_img.png")
        section = sections[patient]
        image, mask = (
            reader.get_data(reader.read(path.with_name(path.name.replace("_img", part))))[0]
            for part in ("_img", "_lab")
        )
        if np.count_nonzero(mask) < MIN_LIVER_PIXELS:  # nothing is placed, and nothing is known of what is there
            continue
        seen = outlines.get(slice_name)
        known = None if seen is None else seen.label_map(image.shape)[..., None]
        variants = [(f"liver_{slice_name}_{copy}", "liver", None) for copy in range(copies)]
        variants = variants[:1] if section == "validation" else variants
        for copy, (name, source, number) in enumerate(
            [*variants, *([(f"real_{slice_name}", REAL, 0)] if seen is not None else [])]
        ):
            generator = np.random.default_rng((seed, index, copy))
            made = synthesize(image, mask > 0, picture_spacing, generator, number, known=known)
            if made is not None:
                arrays = made.image[..., 0], made.labels[..., 0], (mask[..., 0] > 0) | (made.labels[..., 0] > 0)
                resampled, labels, liver = _fit(*arrays, pixel_mm=PICTURE_SPACING_MM, spacing=spacing)
                case = Case(name, f"msd_{patient}", source, resampled, labels, liver, made.lesions, False, spacing)
                yield section, case, generator


def negative_cases(folder: str | Path, spacing: float, seed: int) -> Iterator[tuple[str, Case, Generator]]:
    """Every second slice of CTs that hold no liver."""
    files = _files(folder, "*.npz")
    sections = _split([path.stem for path in files])
    for index, path in enumerate(files):
        with np.load(path) as data:
            volume, pixel_mm = data["img"], float(np.ravel(data["spacing"])[0])
        for z in range(0, len(volume), 2):
            case = _nothing(f"negative_{path.stem}_{z:02d}", path.stem, "negative", volume[z].T, pixel_mm, spacing)
            yield sections[path.stem], case, np.random.default_rng((seed, index, z))


def cases_without_liver(
    ranges: Sequence[tuple[str | Path, int, int]], spacing: float, seed: int
) -> Iterator[tuple[str, Case, Generator]]:
    """Slices of whole CTs that hold no liver, for training alone."""
    for path, first, last in ranges:
        volume, _, affine = read_aligned(path)
        if not 0 <= first <= last < volume.shape[2]:
            raise ValueError(f"slices of {path} must lie in 0..{volume.shape[2] - 1}, got {first} to {last}")
        patient = Path(path).name.split(".")[0]
        for z in range(first, last + 1):
            name = f"{WITHOUT_LIVER.replace(' ', '_')}_{patient}_{z:03d}"
            case = _nothing(name, patient, WITHOUT_LIVER, volume[..., z], float(np.linalg.norm(affine[:, 0])), spacing)
            yield "training", case, np.random.default_rng((seed, z))


def _nothing(name: str, patient: str, source: str, image: np.ndarray, pixel_mm: float, spacing: float) -> Case:
    """A slice on which there is neither liver nor lesion."""
    nothing = np.zeros(image.shape, np.uint8)
    image, labels, liver = _fit(image.astype(np.float32), nothing, nothing, pixel_mm=pixel_mm, spacing=spacing)
    return Case(name, patient, source, image, labels, liver, (), True, spacing)


def _files(folder: str | Path, pattern: str) -> list[Path]:
    files = sorted(Path(folder).glob(pattern))
    if not files:
        raise FileNotFoundError(f"{folder} must hold files {pattern}, got none; name the folder that has them")
    return files


def _split(patients: Sequence[str]) -> dict[str, str]:
    """Section of each patient, by lot; the same for every seed, so that no patient of a training is tested on later."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(patients))
    sections = np.searchsorted(np.cumsum(list(SPLIT.values())), np.arange(len(patients)) / len(patients), side="right")
    return {patients[index]: list(SPLIT)[section] for index, section in zip(order, sections, strict=True)}


def _fit(image: np.ndarray, *maps: np.ndarray, pixel_mm: float, spacing: float) -> tuple[np.ndarray, ...]:
    """Crop to the body and resample to pixels of `spacing` mm, or larger ones if the body would not fit."""
    tissue = ndimage.binary_opening(image > 30, iterations=2)  # fat may be 0: organs lie apart, and the body is all
    for each in maps:
        tissue |= each > 0
    if tissue.any():
        box = ndimage.find_objects(ndimage.binary_dilation(tissue, iterations=5).astype(np.uint8))[0]
        image, maps = image[box], tuple(each[box] for each in maps)
    room = ((largest / spacing - 1) / side for largest, side in zip(LARGEST_MM, image.shape, strict=True))
    zoom = min(pixel_mm / spacing, *room)
    smooth = ndimage.gaussian_filter(image, 0.35 / zoom) if zoom < 1 else image
    return ndimage.zoom(smooth, zoom, order=1), *(ndimage.zoom(each, zoom, order=0) for each in maps)
