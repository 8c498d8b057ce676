# SPDX-License-Identifier: Apache-2.0
"""What MONAI lacks between a CT volume and a slice with its target."""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, Spacingd, SpatialCrop, Transform

from lsms_monai.data.geometry import check_same_place, upright
from lsms_monai.data.label_map import WRITE_AS_1, check_lesions_known, whole_numbers
from lsms_monai.keys import (
    IMAGE,
    INSIDE_ORGAN,
    LABEL,
    LABEL_VALUE,
    MEANT,
    NO_LESION,
    NOT_MEANT,
    ORGAN,
    OUTSIDE_ORGAN,
    SLICE_INDEX,
    UNKNOWN,
    UNKNOWN_VALUE,
)

LOWEST_EXPECTED_HU = -200.0  # any CT with air or lung around or in the body goes far below


class CheckCTd(MapTransform):
    """Refuse what is not one CT volume, and warn of intensities that are not Hounsfield units.

    Args:
        keys: images (1, W, H, D) in HU.

    Raises:
        ValueError: if an image is not three-dimensional with one channel, or has no finite voxel.
    """

    def __init__(self, keys: KeysCollection = IMAGE) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._check(result[key])
        return result

    def _check(self, image: torch.Tensor) -> torch.Tensor:
        if image.ndim != 4 or image.shape[0] != 1:
            raise ValueError(
                f"image must have shape (1, W, H, D), got {tuple(image.shape)}; give one CT volume or slice"
            )
        is_finite = torch.isfinite(image)
        if not is_finite.all():
            if not is_finite.any():
                raise ValueError("image must have finite intensities, got none; the file holds no CT")
            lowest = image[is_finite].min()
            warnings.warn(
                f"image has {int((~is_finite).sum())} voxels that are NaN or infinite; they are set to the lowest "
                f"intensity, {float(lowest):g}",
                stacklevel=3,
            )
            image = torch.where(is_finite, image, lowest)
        if image.min() > LOWEST_EXPECTED_HU:
            warnings.warn(
                f"intensities lie in {float(image.min()):g}..{float(image.max()):g}, a CT in Hounsfield units reaches "
                f"below {LOWEST_EXPECTED_HU:g}; check the rescale slope and intercept, the masks may be wrong",
                stacklevel=3,
            )
        return image


class StackAdjacentSlicesd(MapTransform):
    """Give each axial slice its neighbours as channels: (1, W, H, D) -> (2n + 1, W, H, D), ends repeated.

    Args:
        keys: volumes with one channel and the slices along the last axis.
        num_adjacent: n slices on either side; 0 changes nothing.
    """

    def __init__(self, keys: KeysCollection = IMAGE, num_adjacent: int = 1) -> None:
        super().__init__(keys)
        self.num_adjacent = num_adjacent

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            depth = result[key].shape[-1]
            offsets = range(-self.num_adjacent, self.num_adjacent + 1)
            indices = [(torch.arange(depth) + offset).clamp(0, depth - 1) for offset in offsets]
            result[key] = torch.cat([result[key][..., index] for index in indices], dim=0)
        return result


class StraightenTiltd(MapTransform, InvertibleTransform):
    """Stack the slices of a tilted gantry along their normal, with not a voxel changed.

    A tilted gantry shifts each slice against the one before. MONAI's ``Spacingd`` would undo that and blend
    neighbouring slices; so the slices stay as they were scanned. The inverse restores the affine.

    Args:
        keys: volumes (C, W, H, D), the slices along the last axis; one without an affine passes as it is.
        allow_missing_keys: whether a sample may lack a key.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            if isinstance(result[key], MetaTensor):
                image = result[key][...]  # the same voxels, with meta data of its own
                tilted, image.affine = image.affine, torch.as_tensor(upright(image.affine.numpy(force=True)))
                result[key] = self.push_transform(image, extra_info={"affine": tilted})
        return result

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The same voxels where the scanner had them."""
        result = dict(data)
        for key in self.key_iterator(result):
            if isinstance(result[key], MetaTensor):
                image = result[key][...]
                image.affine = self.pop_transform(image)["extra_info"]["affine"]
                result[key] = image
        return result


class ResampleKeysd(Spacingd):
    """Resample with MONAI's ``Spacingd``, which here sees its own keys alone.

    ``Spacingd`` takes every key of the sample that begins with "image_" for meta data of the image, and fails on the
    "image_path" that MONAI Label adds. Arguments are those of ``Spacingd``.
    """

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        own = {key: data[key] for key in self.key_iterator(dict(data))}
        return {**data, **super().__call__(own, lazy)}


class SelectTargetd(Transform):
    """Say for each voxel of a label map what it is to the expression: a code of `lsms_monai.keys`.

    The sample's "label_value" (an int or a list of ints; absent means every lesion) says which lesions are meant; each
    has to be on the slice that "slice_index" names, if the sample has one. The value 255 of the label map marks voxels
    of which nothing is known. The sample's "organ", a mask of the organ that holds the lesions, is merged into the
    label.

    Args:
        label_key: label map (1, ...), integers; becomes 1 on the meant lesions, 2 on the others, 3 where nothing is
            known, and elsewhere 0, or, if the sample has an "organ", 4 inside and 5 outside of it.

    Raises:
        ValueError: if label or organ do not lie where the image lies, a meant value does not occur in the label, or
            the label holds no whole numbers, or only 255 without a "label_value".
    """

    def __init__(self, label_key: str = LABEL) -> None:
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        label = result[self.label_key]
        if IMAGE in result:
            _check_place("label", label, result[IMAGE])
        whole = whole_numbers("label", label.numpy(force=True))
        if result.get(LABEL_VALUE) is None:
            check_lesions_known("label", whole, WRITE_AS_1)
        label = label.round()
        unknown, elsewhere = label == UNKNOWN_VALUE, label == 0
        # Taken out, since MONAI's Spacingd takes every key that begins with "label_" for meta data of the label.
        values = result.pop(LABEL_VALUE, None)
        meant = (label > 0) & ~unknown if values is None else self._meant(label, values, result.get(SLICE_INDEX))
        code = torch.full_like(label, NOT_MEANT, dtype=torch.float32)
        code[elsewhere] = NO_LESION
        organ = result.pop(ORGAN, None)
        if organ is not None:
            _check_place("organ", organ, label)
            code[elsewhere & (organ > 0)] = INSIDE_ORGAN
            code[elsewhere & ~(organ > 0)] = OUTSIDE_ORGAN
        code[unknown] = UNKNOWN
        code[meant] = MEANT
        result[self.label_key] = code
        return result

    def _meant(self, label: torch.Tensor, values: int | Sequence[int], index: int | None) -> torch.Tensor:
        wanted = torch.as_tensor(values, dtype=label.dtype).reshape(-1)
        part = label if index is None else label[..., index : index + 1]
        present = [int(value) for value in torch.unique(part) if value != UNKNOWN_VALUE]
        missing = [int(value) for value in wanted if value < 1 or value not in present]
        if missing:
            where = "the label" if index is None else f"slice {index} of the label"
            raise ValueError(f"label_value must be 1 or more and in {where}, got {missing}; it holds {present}")
        return torch.isin(label, wanted)


class SelectSliced(MapTransform):
    """Cut one axial slice out of a volume: (C, W, H, D) -> (C, W, H, 1).

    The sample's "slice_index" (0 nearest to the feet, the volume in an order that ends in S) says which; without it,
    the slice with most of the target, or the middle one where there is no target.

    Args:
        keys: volumes to cut, all of one shape.
        label_key: what ``SelectTargetd`` gives, (1, W, H, D).

    Raises:
        ValueError: if the slice does not exist.
    """

    def __init__(self, keys: KeysCollection, label_key: str = LABEL) -> None:
        super().__init__(keys)
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        index = self._index(result)
        for key in self.key_iterator(result):
            width, height = result[key].shape[1:3]
            cut = SpatialCrop(roi_start=(0, 0, index), roi_end=(width, height, index + 1))
            result[key] = cut(result[key])
        return result

    def _index(self, sample: Mapping[Hashable, Any]) -> int:
        label = sample[self.label_key]
        depth = label.shape[-1]
        if sample.get(SLICE_INDEX) is not None:
            index = int(sample[SLICE_INDEX])
            if not 0 <= index < depth:
                raise ValueError(f"slice_index must lie in 0..{depth - 1}, got {index}")
            return index
        areas = (label == MEANT).sum(dim=(0, 1, 2))
        return int(areas.argmax()) if areas.max() > 0 else depth // 2


def _check_place(name: str, mask: torch.Tensor, image: torch.Tensor) -> None:
    mask_affine, affine = (
        each.affine.numpy(force=True) if isinstance(each, MetaTensor) else np.eye(4) for each in (mask, image)
    )
    check_same_place(name, mask_affine, tuple(mask.shape[1:]), affine, tuple(image.shape[1:]))
