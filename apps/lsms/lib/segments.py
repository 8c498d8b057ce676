# SPDX-License-Identifier: Apache-2.0
"""What is made of masks: one label map with named segments, the file that carries it, how far masks disagree."""

import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813

from lsms_monai.answer import Answer
from lsms_monai.data.geometry import LPS_TO_RAS


def label_map(answers: Sequence[Answer]) -> tuple[np.ndarray, dict[str, int], list[str]]:
    """Put the masks of several expressions into one label map.

    Only what was found gets a number, 1, 2, ... in the order asked: 3D Slicer gives names to the values that occur, in
    their order. Where masks overlap, the smaller one is on top, so that "the cyst" stays visible inside "all lesions".

    Args:
        answers: masks (W, H, D) of one image.

    Returns:
        Label map (W, H, D) uint8, the value of each expression that has voxels in it, and a sentence for each
        expression that lies under others in whole or in part.
    """
    order = sorted(range(len(answers)), key=lambda index: (-int(answers[index].mask.sum()), -index))
    stack = np.zeros(answers[0].mask.shape, np.uint8)
    for index in order:
        stack[answers[index].mask] = index + 1
    labels, values, notes = np.zeros_like(stack), {}, []
    for index, answer in enumerate(answers):
        own = stack == index + 1
        hidden = int(answer.mask.sum() - own.sum())
        if own.any():
            values[answer.expression] = len(values) + 1
            labels[own] = len(values)
        if hidden:
            share = "all" if not own.any() else f"{hidden} voxels"
            notes.append(f"“{answer.expression:.80}”: {share} of it lies under another segment; ask for it alone.")
    return labels, values, notes


def write_label_map(labels: np.ndarray, affine: np.ndarray, extension: str, dtype: str) -> Path:
    """Write a label map into a temporary file.

    Args:
        labels: (W, H, D).
        affine: 4x4, voxel -> RAS mm.
        extension: .nii, .nii.gz or .nrrd.
        dtype: voxel type.

    Returns:
        The file; whoever asked removes it.
    """
    with tempfile.NamedTemporaryFile(prefix="lsms_", suffix=extension, delete=False) as file:
        path = Path(file.name)
    voxels = labels.astype(dtype)
    if extension == ".nrrd":
        image = sitk.GetImageFromArray(voxels.T)
        lps = LPS_TO_RAS @ affine  # its own inverse
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        sitk.WriteImage(image, str(path), useCompression=True)
        return path
    nifti = nib.Nifti1Image(voxels, affine)
    nifti.header.set_xyzt_units("mm")
    nifti.set_sform(affine, code=1)
    nib.save(nifti, path)
    return path


def disagreement(masks: Sequence[np.ndarray]) -> float:
    """One minus the mean Dice of all pairs of masks; two empty masks agree.

    Args:
        masks: two or more, bool, of one shape.

    Returns:
        0 where all masks are equal, 1 where no two overlap.
    """
    return 1 - float(np.mean([_dice(a, b) for a, b in combinations(masks, 2)]))


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = int(a.sum() + b.sum())
    return 1.0 if total == 0 else 2 * int((a & b).sum()) / total
