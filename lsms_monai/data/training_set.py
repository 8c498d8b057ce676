# SPDX-License-Identifier: Apache-2.0
"""The data set of the shipped weights: phantoms, synthetic lesions in real livers, and real slices without a liver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.random import Generator
from scipy import ndimage

from lsms_monai.data.body import LIVER
from lsms_monai.data.canonical import canonical
from lsms_monai.data.clarity import clear_expressions
from lsms_monai.data.description import read_aligned
from lsms_monai.data.draft import whole_or_nothing
from lsms_monai.data.meaning import LesionAttributes
from lsms_monai.data.outlines import Outlines, read_outlines
from lsms_monai.data.phantom import phantom
from lsms_monai.data.reader import CTReader
from lsms_monai.data.synthesis import synthesize
from lsms_monai.keys import EXPRESSION, IMAGE, LABEL, LABEL_VALUE, ORGAN, PATIENT_ID

SPLIT = {"training": 0.84, "validation": 0.08, "test": 0.08}  # of the patients of each source
SPLIT_SEED = 5
SPACING_MM, LARGEST_MM = 2.0, (320.0, 256.0)  # of what is written; a larger body is shrunk if its scale is not known
SLICE_MM = 5.0  # from slice to slice
PICTURE_SPACING_MM = 1.5  # taken for a slice whose pixel size nobody knows
# Expressions of an image: in the plain words that the network is asked with, and in the many words of people. A test
# asks in the words of people alone.
NUM_PLAIN, NUM_SAID = 3, 1
WITHOUT_LIVER, REAL = "without liver", "real"
NUM_TIMES = 4  # so many times as often a training asks about the few real lesions and the few slices of whole CTs
MIN_LIVER_PIXELS = 300


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


def write_training_set(
    out_dir: str | Path,
    *,
    num_phantoms: int,
    livers_dir: str | Path | None = None,
    copies: int = 3,
    outlines: str | Path | None = None,
    negatives_dir: str | Path | None = None,
    without_liver: Sequence[tuple[str | Path, int, int]] = (),
    spacing: float = SPACING_MM,
    seed: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> Path:
    """Write slices, label maps and expressions of all sources, whole or not at all.

    Patients of each source are split into training, validation and test. Test images are asked for in the words of
    people, half of them in words that are kept for testing.

    Args:
        out_dir: new or empty folder.
        num_phantoms: number of phantoms.
        livers_dir: folder with `ID_img.png` and `ID_lab.png`, ID the patient, then "_": real livers; left out if None.
        copies: syntheses of each real slice; of each slice for validation and test, one at most.
        outlines: file of the lesions that people have seen in these slices (see `read_outlines`). A slice that they
            have looked at is taken as it is, too, source `REAL`; where they saw nothing, nothing is. Without the file
            it is unknown whether a dark or bright part of a liver is a lesion.
        negatives_dir: folder with `NAME.npz`, `img` int16 HU (z, y, x) and `spacing`: real slices without a liver; left
            out if None.
        without_liver: CTs, files or DICOM folders, with the first and the last of some slices that hold no liver,
            counted from 0 at the feet; for training alone.
        spacing: size of a pixel of what is written, in mm.
        seed: base of all randomness.
        progress: called with the number of cases written so far.

    Returns:
        Path of the datalist.

    Raises:
        FileExistsError: if `out_dir` holds anything.
        FileNotFoundError: if a folder holds no such files.
        ValueError: if `spacing` is not positive.
    """
    if spacing <= 0:
        raise ValueError(f"spacing must be a positive number of mm, got {spacing}; take {SPACING_MM}")
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SPLIT}
    seen = read_outlines(outlines) if outlines else {}
    number = 0
    with whole_or_nothing(Path(out_dir)) as folder:
        for cases in (
            _phantoms(num_phantoms, spacing, seed),
            _livers(livers_dir, copies, spacing, seed, seen) if livers_dir else (),
            _negatives(negatives_dir, spacing, seed) if negatives_dir else (),
            _without_liver(without_liver, spacing, seed),
        ):
            for section, case, generator in cases:
                _write(folder, case)
                sections[section] += _entries(
                    case, generator, section=section, held_out=section == "test" and number % 2 == 0
                )
                number += 1
                if progress:
                    progress(number)
        (folder / "datalist.json").write_text(json.dumps({"name": "LSMS training set", **sections}, indent=1) + "\n")
    return Path(out_dir) / "datalist.json"


def _phantoms(number: int, spacing: float, seed: int) -> Iterator[tuple[str, Case, Generator]]:
    sections = _split([f"phantom_{index:05d}" for index in range(number)])
    side = round(LARGEST_MM[0] / spacing)
    for index, (name, section) in enumerate(sections.items()):
        generator = np.random.default_rng((seed, index, SPLIT_SEED))  # none that `write_phantoms` draws and tests on
        made = phantom(generator, shape=(side, side, 1), spacing=(spacing, spacing, SLICE_MM))
        liver = made.organs[..., 0] == LIVER
        case = Case(name, name, "phantom", made.image[..., 0], made.labels[..., 0], liver, made.lesions, True, spacing)
        yield section, case, generator


def _livers(
    folder: str | Path, copies: int, spacing: float, seed: int, outlines: Mapping[str, Outlines]
) -> Iterator[tuple[str, Case, Generator]]:
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
        variants = variants if section == "training" else variants[:1]
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


def _negatives(folder: str | Path, spacing: float, seed: int) -> Iterator[tuple[str, Case, Generator]]:
    files = _files(folder, "*.npz")
    sections = _split([path.stem for path in files])
    for index, path in enumerate(files):
        with np.load(path) as data:
            volume, pixel_mm = data["img"], float(np.ravel(data["spacing"])[0])
        for z in range(0, len(volume), 2):
            case = _nothing(f"negative_{path.stem}_{z:02d}", path.stem, "negative", volume[z].T, pixel_mm, spacing)
            yield sections[path.stem], case, np.random.default_rng((seed, index, z))


def _without_liver(
    ranges: Sequence[tuple[str | Path, int, int]], spacing: float, seed: int
) -> Iterator[tuple[str, Case, Generator]]:
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
    parts, number = ndimage.label(ndimage.binary_opening(image > 30, iterations=2))
    if number:
        body = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
        box = ndimage.find_objects(ndimage.binary_dilation(body, iterations=5).astype(np.uint8))[0]
        image, maps = image[box], tuple(each[box] for each in maps)
    room = ((largest / spacing - 1) / side for largest, side in zip(LARGEST_MM, image.shape, strict=True))
    zoom = min(pixel_mm / spacing, *room)
    smooth = ndimage.gaussian_filter(image, 0.35 / zoom) if zoom < 1 else image
    return ndimage.zoom(smooth, zoom, order=1), *(ndimage.zoom(each, zoom, order=0) for each in maps)


def _write(folder: Path, case: Case) -> None:
    maps = {"images": (case.image, np.int16), "labels": (case.labels, np.uint8), "organs": (case.liver, np.uint8)}
    for part, (array, dtype) in maps.items():
        affine = np.diag((-case.spacing, -case.spacing, SLICE_MM, 1.0))
        nibabel.save(
            nibabel.Nifti1Image(np.rint(array)[..., None].astype(dtype), affine), folder / part / f"{case.name}.nii.gz"
        )


def _entries(case: Case, generator: Generator, *, section: str, held_out: bool) -> list[dict[str, Any]]:
    """Expressions in many words, and those that the network is asked with when words are resolved over volumes."""
    seen = set(np.unique(case.labels).tolist())
    lesions = [lesion for lesion in case.lesions if lesion.value in seen]
    plainly = lesions or case.source != "phantom"  # one expression is enough for a phantom without a lesion
    num_plain, num_said = (0, NUM_PLAIN + NUM_SAID) if section == "test" else (NUM_PLAIN, NUM_SAID)
    if section == "training" and (case.source == WITHOUT_LIVER or (case.source == REAL and lesions)):
        num_plain, num_said = NUM_TIMES * num_plain, NUM_TIMES * num_said
    drawn = clear_expressions(lesions, generator, 2 * num_said, in_mm=case.in_mm, held_out=held_out)
    said = {expression.text: expression.label_value for expression in drawn[:num_said]}
    plain: dict[str, tuple[int, ...]] = {}
    for expression in clear_expressions(lesions, generator, 4 * num_plain, in_mm=case.in_mm) if plainly else ():
        part = expression.meaning.slice_part()
        values = part.resolve(lesions)
        if values is not None and part.organ is None and len(plain) < num_plain:
            plain[canonical(part)] = values
    about = {
        IMAGE: f"images/{case.name}.nii.gz",
        LABEL: f"labels/{case.name}.nii.gz",
        ORGAN: f"organs/{case.name}.nii.gz",
        PATIENT_ID: case.patient,
        "study_id": case.source,
    }
    return [{**about, EXPRESSION: text, LABEL_VALUE: list(values)} for text, values in {**plain, **said}.items()]
