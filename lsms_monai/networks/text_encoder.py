# SPDX-License-Identifier: Apache-2.0
"""From token ids to word features."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, BertConfig

PACKAGED_TEXT_ENCODER = Path(__file__).parent.parent / "assets" / "minilm_l6"


class TextEncoder(nn.Module):
    """Read an expression with a BERT-type transformer; one feature vector per word piece.

    Args:
        source: a directory with ``config.json`` (its weights are loaded if they are there, random ones otherwise), the
            name of a model on the Hugging Face hub (downloaded), or the fields of a ``transformers.BertConfig`` (random
            weights). By default the 6-layer, 384-wide configuration that this package carries.
        trainable_layers: None trains everything, 0 freezes everything (and switches its dropout off), n trains the
            last n transformer layers only.

    Raises:
        ValueError: if the source can't be loaded, or has fewer layers than are to be trained.
    """

    model: Any

    def __init__(
        self, source: str | Path | Mapping[str, Any] | None = None, *, trainable_layers: int | None = None
    ) -> None:
        super().__init__()
        self.model = _build(PACKAGED_TEXT_ENCODER if source is None else source)
        self.text_dim: int = self.model.config.hidden_size
        self.vocab_size: int = self.model.config.vocab_size
        self.is_frozen = trainable_layers == 0
        if trainable_layers is not None:
            self._freeze_all_but(trainable_layers)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """
        Args:
            input_ids: token ids (B, T), int64.
            attention_mask: (B, T), 1 for words, 0 for padding.

        Returns:
            Word features (B, T, E), those of padding zeroed.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            word_features = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return word_features * attention_mask.unsqueeze(-1).to(word_features.dtype)

    def train(self, mode: bool = True) -> "TextEncoder":
        """As ``nn.Module.train``; a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self.is_frozen)

    def _freeze_all_but(self, trainable_layers: int) -> None:
        layers = self.model.encoder.layer
        if not 0 <= trainable_layers <= len(layers):
            raise ValueError(f"trainable_layers must lie in 0..{len(layers)}, got {trainable_layers}")
        self.model.requires_grad_(False)
        for layer in layers[len(layers) - trainable_layers :]:
            layer.requires_grad_(True)


def _build(source: str | Path | Mapping[str, Any]) -> Any:
    if isinstance(source, Mapping):
        return AutoModel.from_config(BertConfig(**source), add_pooling_layer=False)
    try:
        path = Path(source)
        if path.is_dir() and not any((*path.glob("*.safetensors"), *path.glob("pytorch_model*.bin"))):
            return AutoModel.from_config(AutoConfig.from_pretrained(path), add_pooling_layer=False)
        return AutoModel.from_pretrained(source, add_pooling_layer=False, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"text encoder must be a directory with config.json or a model name that the hub knows, got "
            f"{str(source)!r}; without a network give a local directory ({error})"
        ) from error
