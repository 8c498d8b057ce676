# SPDX-License-Identifier: Apache-2.0
"""How an expression reaches the network for a slice, a batch of slices, or a volume."""

from collections.abc import Callable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor

from lsms_monai.keys import ATTENTION_MASK, INPUT_IDS


class ExpressionSliceInferer(Inferer):
    """Ask the network for the expression of each sample, volumes slice by slice.

    MONAI's ``SliceInferer`` drops keyword arguments, so that a network with a default expression would answer that one
    instead of the person's. This one refuses to run without an expression.

    Args:
        sw_batch_size: slices of a volume that go through the network at a time.
        bfloat16: run under ``torch.autocast`` to bfloat16, on CPU as well; the result is float32.
    """

    def __init__(self, sw_batch_size: int = 8, bfloat16: bool = False) -> None:
        super().__init__()
        self.sw_batch_size = sw_batch_size
        self.bfloat16 = bfloat16

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """
        Args:
            inputs: images (B, C, H, W), or volumes (B, C, H, W, D) with the slices along the last axis.
            network: takes (image, input_ids, attention_mask), see ``LSMS.forward``.
            args: not used.
            kwargs: ``input_ids`` and ``attention_mask``, (B, T) or (T,). Without them the meta data of ``inputs`` is
                read, where ``TokenizeExpressiond`` has put them.

        Returns:
            What the network returns for images; for volumes, logits (B, 1, H, W, D).

        Raises:
            ValueError: if there is no expression, or the image has neither 4 nor 5 axes.
        """
        input_ids, attention_mask = self._expression(inputs, kwargs)
        images = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        if images.ndim not in (4, 5):
            raise ValueError(f"inputs must be (B, C, H, W) or (B, C, H, W, D), got {tuple(images.shape)}")
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            if images.ndim == 4:
                return _as_float32(network(images, input_ids, attention_mask))
            volumes = [
                self._volume(volume, network, input_ids[i : i + 1], attention_mask[i : i + 1])
                for i, volume in enumerate(images)
            ]
        return torch.stack(volumes)

    def _volume(self, volume: Tensor, network: Callable[..., Tensor], input_ids: Tensor, mask: Tensor) -> Tensor:
        slices = volume.movedim(-1, 0).split(self.sw_batch_size)  # (C, H, W, D) -> chunks of (D, C, H, W)
        logits = [network(chunk.contiguous(), input_ids, mask).float() for chunk in slices]
        return torch.cat(logits).movedim(0, -1)

    def _expression(self, inputs: Tensor, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
        source = given if given.get(INPUT_IDS) is not None else getattr(inputs, "meta", {})
        if INPUT_IDS not in source or ATTENTION_MASK not in source:
            raise ValueError(
                f"an expression is required: {INPUT_IDS} and {ATTENTION_MASK} as arguments or in the image's meta "
                "data; end the preprocessing with TokenizeExpressiond"
            )
        batch = inputs.shape[0]
        ids, mask = (
            torch.as_tensor(source[key], device=inputs.device).reshape(-1, source[key].shape[-1])
            for key in (INPUT_IDS, ATTENTION_MASK)
        )
        if len(ids) not in (1, batch):
            raise ValueError(f"one expression per image or one for all is required, got {len(ids)} for {batch} images")
        longest = int(mask.sum(dim=1).max())  # padding that all share costs time and changes nothing
        return ids[:, :longest].expand(batch, -1), mask[:, :longest].expand(batch, -1)


def _as_float32(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.float()
    return {key: value.float() if value.is_floating_point() else value for key, value in output.items()}
