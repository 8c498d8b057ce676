# SPDX-License-Identifier: Apache-2.0
"""Studies for a network that knows two words: a dark lesion on the patient's right, a bright one on the left."""

import nibabel
import numpy as np
import SimpleITK

SHAPE = (80, 72, 9)
SPACING = (1.5, 1.7, 4.0)
ANGLE = 0.25
BODY_HU, DARK_HU, BRIGHT_HU = 100, 40, 170


def oblique_affine():
    """Voxel -> RAS mm of a volume stored in LPS order, anisotropic, and turned about the feet-to-head axis."""
    cosine, sine = np.cos(ANGLE), np.sin(ANGLE)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag((-1, -1, 1)) @ np.diag(SPACING)
    affine[:3, 3] = [70, 50, -20]
    return affine


def scene():
    """HU (W, H, D) in LPS order and the masks of the two words."""
    image = np.full(SHAPE, BODY_HU, np.int16)
    image[[0, -1]] = -1000
    boxes = {"dark": np.s_[12:28, 24:44, 2:6], "bright": np.s_[52:66, 30:48, 3:7]}
    masks = {word: np.zeros(SHAPE, bool) for word in boxes}
    for (word, box), hu in zip(boxes.items(), (DARK_HU, BRIGHT_HU), strict=True):
        masks[word][box], image[box] = True, hu
    return image, masks


def write_studies(folder):
    """Write them: the scene as NIfTI, NRRD and without lesions, a broken file, and one without a position."""
    image, _ = scene()
    affine = oblique_affine()
    nibabel.save(nibabel.Nifti1Image(image, affine), folder / "oblique.nii.gz")
    nrrd = SimpleITK.GetImageFromArray(image.T)
    lps = np.diag((-1, -1, 1, 1)) @ affine
    nrrd.SetSpacing(SPACING)
    nrrd.SetOrigin(lps[:3, 3].tolist())
    nrrd.SetDirection((lps[:3, :3] / SPACING).ravel().tolist())
    SimpleITK.WriteImage(nrrd, str(folder / "as_nrrd.nrrd"))
    plain = np.where(image == -1000, image, BODY_HU).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(plain, affine), folder / "healthy.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"this is no image")
    nibabel.save(nibabel.Nifti1Image(image, None), folder / "no_position.nii.gz")
    return folder


def dice(a, b):
    """Dice of two masks, one of them not empty."""
    return 2 * (a & b).sum() / (a.sum() + b.sum())
