# SPDX-License-Identifier: Apache-2.0
"""The networks that the laws are tested on, small, and one batch of everything that they may ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import pytest
import torch
from torch import nn

from lsms_monai import networks
from lsms_monai.networks.lsms import VARIANTS

TEXT_DIM = 12
STAGE_CHANNELS = (8, 12, 16, 20)
# A variant of LSMS for tests alone; "tiny" is under the laws as well.
NARROW = {"stage_channels": STAGE_CHANNELS, "depths": (1, 2, 1, 1), "drop_path_rate": 0.0, "embed_dim": 16}
WORDS = ("word_features", "attention_mask")
PYRAMIDS = ("pyramid", "maps")  # parts that are lists of maps

# Parameters that provably receive no gradient, and why.
BEFORE_BATCH_NORM = (r"embeddings\.0\.[03]\.bias", r"embeddings\.[123]\.0\.bias")  # the norm subtracts any constant
BEFORE_INSTANCE_NORM = (r"(query|message)\.0\.bias", r"(language\.|^)value\.bias")  # so does this one, of a whole map
KEY_BIAS = (r"attention\.self\.key\.bias",)  # shifts all scores of a query alike, which softmax ignores


@dataclass(frozen=True)
class Case:
    """A network under the laws.

    Args:
        name: how a test names it.
        build: makes it, given the settings of its text encoder.
        parts: what of the sample its ``forward`` takes, in this order.
        no_gradient: patterns of the names of parameters that provably receive no gradient.
    """

    name: str
    build: Callable[[dict[str, int]], nn.Module]
    parts: tuple[str, ...]
    no_gradient: tuple[str, ...] = ()

    def inputs(self, sample):
        """What ``forward`` takes."""
        return [sample[part] for part in self.parts]

    def __call__(self, network, sample):
        """All outputs of the network for a sample, as a list of tensors."""
        with torch.no_grad():
            output = network(*self.inputs(sample))
        return list(output) if isinstance(output, (list, tuple)) else [output]


def _lsms(name, *more_without_gradient, variant="narrow", **settings):
    def build(bert):
        with patch.dict(VARIANTS, narrow=NARROW):
            return networks.LSMS(
                variant, text_encoder=bert, default_input_ids=(1, 5, 2), drop_path_rate=0.0, **settings
            )

    parts = ("image", "input_ids", "attention_mask")
    return Case(f"LSMS-{name}", build, parts, (*BEFORE_BATCH_NORM, *KEY_BIAS, *more_without_gradient))


def _encoder(name, **settings):
    def build(_):
        return networks.VisionLanguageEncoder(
            1, TEXT_DIM, stage_channels=STAGE_CHANNELS, depths=(1, 2, 1, 1), mlp_ratios=(2, 2, 2, 2), **settings
        )

    return Case(f"VisionLanguageEncoder-{name}", build, ("image_32", *WORDS), BEFORE_BATCH_NORM)


def _attention(norm):
    no_gradient = BEFORE_INSTANCE_NORM if norm == "instance" else ()
    build = lambda _: networks.WordToPixelAttention(16, TEXT_DIM, norm=norm)  # noqa: E731
    return Case(f"WordToPixelAttention-{norm}", build, ("feature", *WORDS), no_gradient)


CASES = [
    _lsms("tiny", variant="tiny"),
    _lsms("grouped", mixer="grouped"),
    _lsms("pooled", mixer="pooled"),
    _lsms("factorized", mixer="factorized"),
    _lsms("late-words", text_stages=(2, 3)),
    _lsms("paper", within_organ=False, detail_channels=0),
    _lsms("instance", *BEFORE_INSTANCE_NORM, language_norm="instance", text_stages=(1, 3)),
    _encoder("every-stage"),
    _encoder("one-stage", text_stages=(1,)),
    Case(
        "VisionLanguageBlock",
        lambda _: networks.VisionLanguageBlock(16, TEXT_DIM, mlp_ratio=2),
        ("feature", *WORDS),
    ),
    Case(
        "ScaleAwareVisionLanguageAttention",
        lambda _: networks.ScaleAwareVisionLanguageAttention(16, TEXT_DIM),
        ("feature", *WORDS),
    ),
    _attention("layer"),
    _attention("instance"),
    _attention("none"),
    *(
        Case(
            f"FullScaleDecoder-{mixer}",
            lambda _, m=mixer: networks.FullScaleDecoder(STAGE_CHANNELS, 16, mixer=m),
            ("pyramid",),
        )
        for mixer in ("grouped", "pooled", "factorized")
    ),
    Case("GroupedScaleMixer", lambda _: networks.GroupedScaleMixer(16), ("maps",)),
    Case("PooledScaleMixer", lambda _: networks.PooledScaleMixer(16), ("maps",)),
    Case("FactorizedScaleMixer", lambda _: networks.FactorizedScaleMixer(16), ("maps",)),
    Case(
        "DetailBranch",
        lambda _: networks.DetailBranch(1, 16, feature_stride=4, channels=4, out_channels=2),
        ("image_32", "fused"),
    ),
    Case("TextEncoder", networks.TextEncoder, ("input_ids", "attention_mask"), KEY_BIAS),
]


def pytest_generate_tests(metafunc):
    """Each network in turn, as ``case``, if it takes what the module of the test says under ``TAKES``."""
    if "case" in metafunc.fixturenames:
        cases = [case for case in CASES if {*getattr(metafunc.module, "TAKES", ())} <= {*case.parts}]
        metafunc.parametrize("case", cases, ids=lambda case: case.name, scope="module")


@pytest.fixture(scope="module")
def network(case, bert):
    """The network, in evaluation."""
    torch.manual_seed(7)
    return case.build(bert).eval()


@pytest.fixture(scope="module")
def sample():
    """Two different samples; the second expression is a word shorter."""
    generator = torch.Generator().manual_seed(11)
    draw = lambda *shape: torch.rand(shape, generator=generator)  # noqa: E731
    sides = [(16, 24), (8, 12), (4, 6), (2, 3)]
    return {
        "image": draw(2, 1, 61, 29),
        "image_32": draw(2, 1, 64, 96),
        "feature": draw(2, 16, 7, 11) - 0.5,
        "pyramid": [draw(2, channels, *side) - 0.5 for channels, side in zip(STAGE_CHANNELS, sides, strict=True)],
        "fused": draw(2, 16, 16, 24) - 0.5,
        "maps": [draw(2, 16, *side) - 0.5 for side in sides],
        "input_ids": torch.randint(3, 199, (2, 5), generator=generator),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
        "word_features": draw(2, 5, TEXT_DIM) - 0.5,
    }


@pytest.fixture(scope="module")
def expected(case, network, sample):
    """What the network answers for the sample."""
    return case(network, sample)


@pytest.fixture(scope="session")
def all_cases():
    """The whole list."""
    return CASES


@pytest.fixture(scope="session")
def change():
    """A function that returns the sample with a function applied to every tensor of some of its parts."""

    def change_parts(sample, parts, function):
        return sample | {
            part: [function(tensor) for tensor in sample[part]] if part in PYRAMIDS else function(sample[part])
            for part in parts
        }

    return change_parts


@pytest.fixture(scope="session")
def assert_same():
    """A function that compares two lists of outputs."""

    def compare(actual, expected):
        assert len(actual) == len(expected) > 0
        for one, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    return compare


@pytest.fixture(scope="session")
def difference():
    """A function for the largest change of any output, as a share of how much that output varies."""

    def largest(one, other):
        return max(float((a - b).abs().max() / b.std()) for a, b in zip(one, other, strict=True))

    return largest
