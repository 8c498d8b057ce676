# SPDX-License-Identifier: Apache-2.0
"""From the words of a person to token ids."""

import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from transformers import AutoTokenizer

from lsms_monai.data.normalization import normalize
from lsms_monai.keys import ATTENTION_MASK, EXPRESSION, IMAGE, INPUT_IDS, PROMPT

PACKAGED_TOKENIZER = Path(__file__).parent.parent / "assets" / "minilm_l6"


class SelectExpressiond(MapTransform):
    """Take the expression from the first key that holds one and put it, stripped, under "expression".

    Args:
        keys: where an expression may stand, first wins. MONAI Label sends it as "prompt", MONAI Deploy's own bundle
            operator, which takes no string, as a uint8 tensor of its UTF-8 bytes.
        default: what a sample without any of the keys is asked for; None refuses such a sample.
        allow_empty: let an empty expression pass, to measure what a model does without words.

    Raises:
        TypeError: if the expression is neither a string nor a uint8 tensor.
        ValueError: if it is empty, no UTF-8, or missing without a default.

    Example:
        >>> SelectExpressiond(default="liver lesion")({"prompt": " the cyst in the left lobe "})["expression"]
        'the cyst in the left lobe'
    """

    def __init__(
        self, keys: KeysCollection = (PROMPT, EXPRESSION), default: str | None = None, allow_empty: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.default = default
        self.allow_empty = allow_empty

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        found = [data[key] for key in self.key_iterator(result) if data[key] is not None]
        expression = found[0] if found else self.default
        if expression is None:
            raise ValueError(f"an expression is required under one of {self.keys}, got none; name the lesion in words")
        if isinstance(expression, torch.Tensor) and expression.dtype == torch.uint8:
            expression = _decode(bytes(expression.flatten().tolist()))
        if not isinstance(expression, str):
            raise TypeError(f"expression must be a string, got {type(expression).__name__}: {expression!r:.80}")
        if not expression.strip() and not self.allow_empty:
            raise ValueError("expression must not be empty; name the lesion in words")
        result[EXPRESSION] = expression.strip()
        return result


class TokenizeExpressiond(Transform):
    """Write the token ids of the expression and their mask into the sample.

    They also go into the meta data of the image: MONAI Label hands the inferer nothing but the image.

    Args:
        tokenizer: a directory or hub name for ``transformers.AutoTokenizer``; by default the uncased BERT vocabulary
            that this package carries.
        max_length: number of tokens T; longer expressions are cut with a warning, shorter ones padded.
        normalize: write the words in one way first, see ``lsms_monai.data.normalization``. It knows the words for liver
            lesions; leave it out for other tasks or languages.

    Example:
        >>> sample = TokenizeExpressiond(max_length=8)({"expression": "liver lesion"})
        >>> sample["input_ids"].tolist(), sample["attention_mask"].tolist()
        ([101, 11290, 4649, 3258, 102, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0])
    """

    def __init__(self, tokenizer: str | Path | None = None, max_length: int = 32, normalize: bool = True) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(PACKAGED_TOKENIZER if tokenizer is None else tokenizer)
        self.max_length = max_length
        self.normalize = normalize

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        text = normalize(result[EXPRESSION]) if self.normalize else result[EXPRESSION]
        # A person may write "[SEP]"; it is three pieces of text, not the token.
        tokens = self.tokenizer(text, verbose=False, split_special_tokens=True)["input_ids"]
        if result[EXPRESSION] and set(tokens[1:-1]) <= {self.tokenizer.unk_token_id}:
            warnings.warn(
                f"expression {result[EXPRESSION]!r:.80} has no word that the model knows; name the lesion in English",
                stacklevel=2,
            )
        if len(tokens) > self.max_length:
            kept = self.tokenizer.decode(tokens[1 : self.max_length - 1])
            warnings.warn(
                f"expression has {len(tokens)} tokens, max_length is {self.max_length}: only {kept!r} is read; "
                "shorten it",
                stacklevel=2,
            )
            tokens = [*tokens[: self.max_length - 1], tokens[-1]]
        padding = self.max_length - len(tokens)
        pad_id = self.tokenizer.pad_token_id
        result[INPUT_IDS] = torch.tensor([*tokens, *[pad_id] * padding])
        result[ATTENTION_MASK] = torch.tensor([1] * len(tokens) + [0] * padding)
        image = result.get(IMAGE)
        if isinstance(image, MetaTensor):
            # A shallow copy: several expressions may be asked of one image.
            image = MetaTensor(image, meta=dict(image.meta), applied_operations=list(image.applied_operations))
            image.meta.update({key: result[key] for key in (EXPRESSION, INPUT_IDS, ATTENTION_MASK)})
            result[IMAGE] = image
        return result


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"expression must be UTF-8, got {content[:40]!r}; encode the words by str.encode()") from error
