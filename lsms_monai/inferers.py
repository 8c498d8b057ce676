# SPDX-License-Identifier: Apache-2.0
"""How an expression reaches the network for a slice, a batch of slices, or a volume."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor, nn

from lsms_monai.keys import ATTENTION_MASK, INPUT_IDS, SURE_OF_NOTHING


class ExpressionSliceInferer(Inferer):
    """Ask the network for the expression of each sample, volumes slice by slice.

    MONAI's ``SliceInferer`` drops keyword arguments, so that a network with a default expression would answer that one
    instead of the person's. This one refuses to run without an expression.

    Words are read once for a volume, if the network has ``encode_text`` (see ``LSMS``). A volume can be searched for
    lesions of any kind first: what an expression means is among them, so only slices that show one are then asked for
    it, and the answer on the others is no. Several expressions share the search, and one that says no more than it is
    answered by it.

    Args:
        sw_batch_size: slices of a volume, or expressions about one slice, that go through the network at a time.
        bfloat16: run under ``torch.autocast`` to bfloat16, on CPU as well; the result is float32. None does so on CPUs
            that multiply bfloat16 in hardware, and leaves it to the caller elsewhere.
        search: what ``TokenizeExpressiond`` makes of words for a lesion of any kind, such as "all lesions"; None asks
            every slice for every expression.
        search_probability: a slice shows a lesion if one of its pixels is at least as likely to belong to one.

    Raises:
        ValueError: if the probability does not lie between 0 and 1.
    """

    def __init__(
        self,
        sw_batch_size: int = 8,
        bfloat16: bool | None = None,
        *,
        search: Mapping[str, Tensor] | None = None,
        search_probability: float = 0.5,
    ) -> None:
        super().__init__()
        if not 0 < search_probability < 1:
            raise ValueError(f"search_probability must lie between 0 and 1, got {search_probability}; take 0.5")
        self.sw_batch_size = sw_batch_size
        self.search = search
        self.search_logit = math.log(search_probability / (1 - search_probability))
        self.bfloat16 = bfloat16

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """
        Args:
            inputs: images (B, C, H, W), or volumes (B, C, H, W, D) with the slices along the last axis. One of them may
                be asked for N expressions, which is cheaper than one after the other if words enter late.
            network: takes (image, input_ids, attention_mask), see ``LSMS.forward``.
            args: not used.
            kwargs: ``input_ids`` and ``attention_mask``, (B, T) or (T,). Without them the meta data of ``inputs`` is
                read, where ``TokenizeExpressiond`` has put them.

        Returns:
            What the network returns for images; for volumes, logits (B, 1, H, W, D), or (N, 1, H, W, D) of one.

        Raises:
            ValueError: if there is no expression, or the image has neither 4 nor 5 axes.
        """
        input_ids, attention_mask = self._expression(inputs, kwargs)
        images = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        if images.ndim not in (4, 5):
            raise ValueError(f"inputs must be (B, C, H, W) or (B, C, H, W, D), got {tuple(images.shape)}")
        with self._precision(images.device):
            if images.ndim == 4:
                return _as_float32(network(images, input_ids, attention_mask))
            if len(images) == 1:
                return self._volume(images[0], network, input_ids, attention_mask)
            each = zip(images, input_ids.split(1), attention_mask.split(1), strict=True)
            return torch.cat([self._volume(volume, network, *words) for volume, *words in each])

    def prepare(self, network: nn.Module, device: torch.device) -> None:
        """Where this inferer computes in bfloat16, round the weights of convolutions and linear layers to it for good.

        Autocast would do so in every call. The results are the same to the bit, but this inferer alone can use the
        network from then on.

        Args:
            network: is changed.
            device: of the images.
        """
        if self._in_bfloat16(device):
            for module in network.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    module.to(torch.bfloat16)

    def _precision(self, device: torch.device) -> AbstractContextManager[Any]:
        if self.bfloat16 is None and device.type != "cpu":
            return nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._in_bfloat16(device))

    def _in_bfloat16(self, device: torch.device) -> bool:
        if self.bfloat16 is None:
            return device.type == "cpu" and multiplies_bfloat16()
        return self.bfloat16

    def _volume(
        self, volume: Tensor, network: Callable[..., Tensor], input_ids: Tensor, attention_mask: Tensor
    ) -> Tensor:
        """Logits (N, 1, H, W, D) of one volume (C, H, W, D) for N expressions."""
        slices = volume.movedim(-1, 0)  # (C, H, W, D) -> (D, C, H, W)
        if self.search is None or len(slices) == 1:
            return self._ask(slices, network, input_ids, attention_mask).movedim(1, -1)
        words = _trimmed(*(self.search[key][None].to(volume.device) for key in (INPUT_IDS, ATTENTION_MASK)))
        found = self._ask(slices, network, *words)[0]
        shown = (found.flatten(1).amax(dim=1) >= self.search_logit).nonzero()[:, 0]
        asked = zip(input_ids, attention_mask, strict=True)
        says_more = torch.tensor([not torch.equal(ids[mask > 0], words[0][0]) for ids, mask in asked])
        more = says_more.nonzero()[:, 0]
        answers = torch.full((len(input_ids), *found.shape), SURE_OF_NOTHING, device=found.device)
        answers[~says_more] = found
        if len(shown) and len(more):
            answers[more[:, None], shown] = self._ask(slices[shown], network, input_ids[more], attention_mask[more])
        return answers.movedim(1, -1)

    def _ask(self, slices: Tensor, network: Callable[..., Tensor], input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (N, D, 1, H, W) of slices (D, C, H, W) for N expressions."""
        words = _read(network, input_ids, attention_mask)
        if len(input_ids) == 1:
            chunks = slices.split(self.sw_batch_size)
            return torch.cat([network(chunk.contiguous(), **words).float() for chunk in chunks])[None]
        split = zip(*(value.split(self.sw_batch_size) for value in words.values()), strict=True)
        parts = [dict(zip(words, part, strict=True)) for part in split]
        logits = [torch.cat([network(one.contiguous(), **part).float() for part in parts]) for one in slices.split(1)]
        return torch.stack(logits, dim=1)

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
        if batch != 1 and len(ids) not in (1, batch):
            raise ValueError(f"one expression per image or one for all is required, got {len(ids)} for {batch} images")
        number = max(batch, len(ids))
        ids, mask = _trimmed(ids, mask)
        return ids.expand(number, -1), mask.expand(number, -1)


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions that multiply bfloat16: AMX, or those of AVX-512.

    A version of PyTorch that cannot tell counts as a CPU without them.
    """
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def _trimmed(input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Ids and mask without the padding that all rows share: it costs time and changes nothing."""
    longest = int(attention_mask.sum(dim=1).max())
    return input_ids[:, :longest], attention_mask[:, :longest]


def _read(network: Any, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
    """The arguments by which a network is told the words, read already if it can."""
    encode = getattr(network, "encode_text", None)
    if encode is None:
        return {INPUT_IDS: input_ids, ATTENTION_MASK: attention_mask}
    return {"word_features": encode(input_ids, attention_mask), ATTENTION_MASK: attention_mask}


def _as_float32(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.float()
    return {key: value.float() if value.is_floating_point() else value for key, value in output.items()}
