# SPDX-License-Identifier: Apache-2.0
"""The files that an answer leaves behind: masks, pictures and `answer.json`, all of them or none."""

import hashlib
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data.folder_layout import default_name_formatter
from monai.data.image_writer import ImageWriter
from monai.transforms import Transform

from lsms_monai.answer import Answer, axial_axis
from lsms_monai.keys import EXPRESSION
from lsms_monai.overlay import draw_overlay

SCHEMA_VERSION = 1
ANSWER_FILE = "answer.json"
_MAX_SLUG_LENGTH = 40
_MAX_STEM_LENGTH = 150  # file systems take names of 255 bytes
RESULTS = re.compile(r"\d{2,}_[a-z0-9-]{1,40}_(seg\.nii\.gz|overlay\.png)|answer\.json")


@contextmanager
def output_folder(out_dir: str | Path, *, overwrite: bool = False, ours: re.Pattern[str] = RESULTS) -> Iterator[Path]:
    """Give a hidden folder to write into, whose files appear in `out_dir` when the block ends without an error.

    Enter it before a long computation: a folder that cannot be written is refused at once. `answer.json` appears last,
    so that a folder that has it is complete. Files of other people in `out_dir` stay. The results of two runs never lie
    in one folder: of two that run at once, the later one is refused or, with `overwrite`, replaces the other.

    Args:
        out_dir: folder for the results, made if need be.
        overwrite: replace the results of an earlier run.
        ours: names of all files that the block may write, and by which those of an earlier run are known.

    Raises:
        OSError: if `out_dir` is no folder or cannot be written, or holds other results without `overwrite`, at the
            beginning or at the end of the block.
    """
    target = Path(out_dir)
    if (earlier := _earlier_results(target, ours)) and not overwrite:
        raise FileExistsError(
            f"{target} holds the results of an earlier run ({earlier[0].name}); choose another --output-dir, or add "
            "--overwrite to replace them"
        )
    # beside the results, hence on their disk: either in the folder itself or in the nearest one that exists
    nearest = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    try:
        staging = Path(tempfile.mkdtemp(prefix=".lsms-", dir=nearest))
    except OSError as error:
        raise OSError(f"output folder {target} cannot be written ({error.strerror}); choose another one") from error
    try:
        yield staging
        if (others := _earlier_results(target, ours)) and not overwrite:
            raise FileExistsError(
                f"{target} must not hold other results, got those of a run that ended in the meantime "
                f"({others[0].name}), which stay; choose another --output-dir and run again"
            )
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(others, key=lambda path: path.name != ANSWER_FILE):
            path.unlink()
        for path in sorted(staging.iterdir(), key=lambda path: (path.name == ANSWER_FILE, path.name)):
            path.replace(target / path.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_report(
    folder: Path, image: np.ndarray, affine: np.ndarray, answers: Sequence[Answer], about: dict[str, Any]
) -> dict[str, Any]:
    """Write a mask and a picture per answer, and `answer.json`.

    Args:
        folder: an existing folder.
        image: intensities in HU, (W, H, D).
        affine: 4x4, voxel -> RAS mm.
        answers: masks (W, H, D) of this image.
        about: what else belongs into `answer.json`: input, model, times, warnings.

    Returns:
        The content of `answer.json`.
    """
    entries = []
    for number, answer in enumerate(answers, start=1):
        stem = f"{number:02d}_{slug(answer.expression)}"
        files = {"segmentation": f"{stem}_seg.nii.gz", "overlay": f"{stem}_overlay.png"}
        save_mask(folder / files["segmentation"], answer.mask, affine)
        draw_overlay(image, affine, answer).save(folder / files["overlay"], optimize=True)
        entries.append({**answer.to_dict(), **files})
    geometry = {
        "shape": list(image.shape),
        "spacing_mm": [round(float(size), 4) for size in np.linalg.norm(affine[:3, :3], axis=0)],
        "affine": np.round(affine, 6).tolist(),
        "axial_axis": axial_axis(affine),
    }
    content = {"schema_version": SCHEMA_VERSION, **about, "image_geometry": geometry, "answers": entries}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / ANSWER_FILE).write_text(text + "\n", encoding="utf-8")
    return content


def save_mask(path: Path, mask: np.ndarray, affine: np.ndarray) -> None:
    """Write a mask (W, H, D) as NIfTI of 0 and 1, uint8, in the geometry of its image.

    Args:
        path: ends in .nii or .nii.gz.
        mask: what is not 0 becomes 1.
        affine: 4x4, voxel -> RAS mm.
    """
    file = nib.Nifti1Image((mask != 0).astype(np.uint8), affine)
    file.header.set_xyzt_units("mm")
    file.set_sform(affine, code=1)
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.allclose(steps.T @ steps, np.eye(3), atol=1e-5):  # a qform cannot hold a shear
        file.set_qform(affine, code=1)
    nib.save(file, path)


class MaskWriter(ImageWriter):
    """Write the masks of MONAI's ``SaveImage`` by `save_mask`: always three axes, as the image has.

    Args:
        kwargs: what ``SaveImage`` passes to any writer; a mask needs none of it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    def set_data_array(self, data_array: Any, **kwargs: Any) -> None:
        """Take a mask (1, W, H, D)."""
        self.data_obj = np.asarray(data_array)[0]

    def set_metadata(self, meta_dict: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Take the meta data of the mask, of which the affine is needed."""
        self.affine = np.asarray((meta_dict or {})["affine"], dtype=np.float64)

    def write(self, filename: str | PathLike[Any], verbose: bool = True, **kwargs: Any) -> None:
        """Write what was taken."""
        save_mask(Path(filename), np.asarray(self.data_obj), self.affine)


def slug(expression: str) -> str:
    """Make a part of a file name from what a person wrote: a-z, 0-9 and hyphens, at most 40.

    Example:
        >>> slug("../The LARGEST lesion, größer als 2 cm")
        'the-largest-lesion-groer-als-2-cm'
        >>> slug("囊肿")
        'expression'
    """
    plain = unicodedata.normalize("NFKD", expression).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:_MAX_SLUG_LENGTH].strip("-") or "expression"


def name_by_expression(
    meta: dict[str, Any], saver: Transform, dataset_dir: str | Path | None = None, datalist: str | Path | None = None
) -> dict[str, Any]:
    """Name a mask of MONAI's ``SaveImage`` after its image and its expression; no two of them share a name.

    Args:
        meta: meta data of the mask, with the "expression" that ``TokenizeExpressiond`` left there.
        saver: the transform that asks.
        dataset_dir: folder of all images; those in folders below it are named with these folders, as many data sets
            call the image of every patient alike.
        datalist: file in the folder of all images, where there is no `dataset_dir`.

    Returns:
        What ``monai.data.FolderLayout.filename`` takes.
    """
    name = default_name_formatter(meta, saver)
    path = Path(name["subject"])
    root = Path(dataset_dir) if dataset_dir else Path(datalist).parent if datalist else path
    below = path.relative_to(root) if path != root and path.is_relative_to(root) else Path(path.name)
    last = below.name if path.is_dir() else below.name.removesuffix(".gz").rsplit(".", 1)[0]
    stem = "-".join((*below.parts[:-1], last)).replace(".", "-")[-_MAX_STEM_LENGTH:]
    expression = str(meta.get(EXPRESSION, ""))
    digest = hashlib.sha256(f"{path}\n{expression}".encode()).hexdigest()[:8]
    return {**name, "subject": f"{stem}_{slug(expression)}-{digest}"}


def is_result(path: Path) -> bool:
    """Tell whether a file is the mask or picture of an answer that lies beside it."""
    return bool(RESULTS.fullmatch(path.name)) and (path.parent / ANSWER_FILE).is_file()


def _earlier_results(target: Path, ours: re.Pattern[str]) -> list[Path]:
    """Files that a former run has left; nothing else is ever removed."""
    if not target.exists():
        return []
    if not target.is_dir():
        raise NotADirectoryError(f"output must be a folder, {target} is a file; choose another --output-dir")
    return sorted(path for path in target.iterdir() if ours.fullmatch(path.name) and path.is_file())
