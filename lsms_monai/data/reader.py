# SPDX-License-Identifier: Apache-2.0
"""One reader for every format a CT comes in; it alone knows how voxels lie in the patient."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from monai.data.image_reader import ImageReader

from lsms_monai.data.dicom import is_dicom_file, read_dicom_files, read_dicom_folder
from lsms_monai.data.geometry import LPS_TO_RAS

NIFTI_SUFFIXES = (".nii", ".nii.gz")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
VOLUME_SUFFIXES = (".nrrd", ".mha", ".mhd")
SUFFIXES = (*NIFTI_SUFFIXES, *VOLUME_SUFFIXES, ".dcm", *PICTURE_SUFFIXES)


class CTReader(ImageReader):
    """Read a CT, or a label map of one, as (W, H, D) with its affine, for MONAI's `LoadImage`.

    NIfTI, NRRD, MHA, MHD, one DICOM file, a folder with one DICOM series, and grey PNG or JPEG slices. Always three
    axes: a picture becomes (W, H, 1) and is taken to be in the standard radiological view, columns from the patient's
    right to the left, rows from front to back, 1 mm apart since a picture does not say.

    Example:
        >>> from monai.transforms import LoadImage
        >>> load = LoadImage(reader="lsms_monai.data.CTReader", ensure_channel_first=True)

    Raises:
        FileNotFoundError: from `get_data`, if there is no such file or folder.
        ValueError: from `get_data`, if it is not one grey 3-D image whose left and right are known.
    """

    def verify_suffix(self, filename: Sequence[Any] | Any) -> bool:
        """Tell whether the names belong to a folder or end as a known format does."""
        names = [filename] if isinstance(filename, (str, Path)) else list(filename)
        return all(Path(name).is_dir() or _has_suffix(name, SUFFIXES) for name in names)

    def read(self, data: Sequence[Any] | Any, **kwargs: Any) -> list[Path]:
        """Keep the path until `get_data`: an error raised here would make `LoadImage` try its other readers."""
        return [Path(data)] if isinstance(data, (str, Path)) else [Path(name) for name in data]

    def get_data(self, img: list[Path]) -> tuple[np.ndarray, dict[str, Any]]:
        """Load the image.

        Args:
            img: what `read` returned.

        Returns:
            Voxels (W, H, D) and the meta data that `MetaTensor` needs, `affine` among them (voxel to RAS mm).
        """
        if len(img) != 1:
            raise ValueError(f"an image must be one file or folder, got {len(img)}; give the folder of a DICOM series")
        array, affine = _load(img[0])
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise ValueError(f"{img[0]} must have an affine that can be inverted, got {affine[:3].tolist()}; repair it")
        return array, {
            "affine": affine,
            "original_affine": affine.copy(),
            "space": "RAS",
            "spatial_shape": np.asarray(array.shape),
            "original_channel_dim": "no_channel",
        }


def find_images(place: str | Path, *, without: str | Path | None = None) -> list[Path]:
    """List the images in a folder and its subfolders: files of known formats, and folders that hold DICOM files.

    What is hidden in `place`, or lies in a folder that is, is passed over.

    Args:
        place: a folder, or one image.
        without: passed over as well, with all below it; a folder for results, for example.

    Raises:
        FileNotFoundError: if there is no such place, or no image in it.
    """
    place = Path(place)
    if not place.exists():
        raise FileNotFoundError(f"images must be in an existing folder, got {place}; check the path")
    if place.is_file():
        return [place]
    files = _visible_files(place, without)
    dicoms = {path for path in files if is_dicom_file(path)}
    images = {path for path in files if _has_suffix(path, SUFFIXES) and path not in dicoms}
    if not images and not dicoms:
        raise FileNotFoundError(f"{place} must hold images ({', '.join(SUFFIXES)}) or a DICOM series, got none")
    return sorted(images | {path.parent for path in dicoms})


def _visible_files(place: Path, without: str | Path | None) -> list[Path]:
    """Files at any depth of a folder; of another folder that lies in it, and of hidden ones, none."""
    names = [path.relative_to(place) for path in place.rglob("*") if path.is_file()]
    names = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    if without is not None and (inner := Path(without).resolve()).is_relative_to(place.resolve()):
        left_out = inner.relative_to(place.resolve())
        names = [name for name in names if left_out not in name.parents]
    return [place / name for name in names]


def _load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine of whatever lies at the path."""
    if not path.exists():
        raise FileNotFoundError(f"image must be an existing file or DICOM folder, got {path}; check the path")
    load: Callable[[Path], tuple[np.ndarray, np.ndarray]]
    if path.is_dir():
        load = read_dicom_folder
    elif _has_suffix(path, NIFTI_SUFFIXES):
        load = _load_nifti
    elif is_dicom_file(path):
        return read_dicom_files([path], path)
    elif _has_suffix(path, (*VOLUME_SUFFIXES, *PICTURE_SUFFIXES)):
        load = _load_itk
    else:
        raise ValueError(f"image must be one of {', '.join(SUFFIXES)} or a DICOM folder, got {path}; convert it")
    return load(path)


def _load_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        nifti = cast(nibabel.Nifti1Image, nibabel.load(path))  # NIfTI-2 is one too
        array = np.asanyarray(nifti.dataobj)
    except (OSError, EOFError, ValueError, ImageFileError, HeaderDataError, WrapStructError, zlib.error) as error:
        raise ValueError(f"{path} must be a NIfTI image that can be read, got: {error}; is the file whole?") from error
    if array.dtype.names:
        raise ValueError(f"{path} must have one grey value per voxel, got colours {array.dtype.names}; give a CT")
    if int(nifti.header["sform_code"]) == 0 and int(nifti.header["qform_code"]) == 0:
        raise ValueError(
            f"{path} must say how it lies in the patient, got sform and qform code 0: left and right cannot be told; "
            "convert it again from the DICOM files"
        )
    array = _three_axes(array, path)
    affine = np.asarray(nifti.affine, dtype=np.float64)
    return (array.astype(np.float32) if array.dtype.kind == "f" else array), affine


def _load_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        image = reader.Execute()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].split("): ")[-1]
        raise ValueError(f"{path} must be an image that can be read, got: {reason}; is the file whole?") from error
    components = image.GetNumberOfComponentsPerPixel()
    if components != 1:
        raise ValueError(f"{path} must have one grey value per voxel, got {components} (colour?); save it as grey")
    if _has_suffix(path, VOLUME_SUFFIXES) and not _says_orientation(path, reader.GetMetaDataKeys()):
        raise ValueError(
            f"{path} must say how it lies in the patient, got no space directions: left and right cannot be told; "
            "convert it again from the DICOM files"
        )
    array = _three_axes(sitk.GetArrayFromImage(image).T, path)
    if image.GetDimension() == 2:
        return array, LPS_TO_RAS @ np.diag((*image.GetSpacing(), 1.0, 1.0))
    affine = np.eye(4)
    dimension = image.GetDimension()
    direction = np.asarray(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    affine[:3, :3] = direction * np.asarray(image.GetSpacing())[:3]
    affine[:3, 3] = image.GetOrigin()[:3]
    return array, LPS_TO_RAS @ affine


def _three_axes(array: np.ndarray, path: Path) -> np.ndarray:
    """Drop axes of length 1 after the third, add a third to a slice, refuse anything else."""
    shape = array.shape
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or 0 in shape:
        raise ValueError(
            f"{path} must be one 3-D volume or a slice, got {len(shape)}-D with shape {shape}; save one time point or "
            "channel as a file of its own"
        )
    return array


def _says_orientation(path: Path, keys: Sequence[str]) -> bool:
    """Whether an NRRD or MetaImage header places the voxels in the patient."""
    if _has_suffix(path, (".nrrd",)):
        return "NRRD_space" in keys
    with path.open("rb") as file:
        header = file.read(8192).split(b"ElementDataFile")[0]
    return any(key in header for key in (b"TransformMatrix", b"Rotation", b"Orientation ="))


def _has_suffix(name: str | Path, suffixes: Sequence[str]) -> bool:
    return Path(name).name.lower().endswith(tuple(suffixes))
