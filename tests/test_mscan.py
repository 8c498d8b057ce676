# SPDX-License-Identifier: Apache-2.0
"""Weights in the layout of OpenMMLab, made by a plain MSCAN (SegNeXt, arXiv 2209.08575, 3.1) with its names."""

import re
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lsms_monai.networks import LSMS
from lsms_monai.networks.lsms import VARIANTS
from lsms_monai.weights import convert_mscan, load_mscan

BERT = {"vocab_size": 99, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
NARROW = {"stage_channels": (8, 12, 16, 20), "depths": (1, 3, 1, 2), "drop_path_rate": 0.0, "embed_dim": 16}
RATIOS = (8, 8, 4, 4)
NOT_IN_MSCAN = re.compile(r"\.language\.|position\.")


def depthwise(channels, kernel):
    return nn.Conv2d(channels, channels, kernel, padding=[size // 2 for size in kernel], groups=channels)


class Block(nn.Module):
    """One block of MSCAN, its parts named as OpenMMLab names them."""

    def __init__(self, channels, ratio):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.attn, gating, self.mlp = nn.Module(), nn.Module(), nn.Module()
        self.attn.proj_1, self.attn.proj_2 = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        gating.conv0, gating.conv3 = depthwise(channels, (5, 5)), nn.Conv2d(channels, channels, 1)
        for i, size in enumerate((7, 11, 21)):
            setattr(gating, f"conv{i}_1", depthwise(channels, (1, size)))
            setattr(gating, f"conv{i}_2", depthwise(channels, (size, 1)))
        # The first pair is called conv0_1, conv0_2.
        self.attn.spatial_gating_unit = gating
        self.mlp.fc1, self.mlp.fc2 = nn.Conv2d(channels, ratio * channels, 1), nn.Conv2d(ratio * channels, channels, 1)
        self.mlp.dwconv = depthwise(ratio * channels, (3, 3))
        self.layer_scale_1, self.layer_scale_2 = nn.Parameter(torch.rand(channels)), nn.Parameter(torch.rand(channels))

    def forward(self, x):
        normed = self.norm1(x)
        u = F.gelu(self.attn.proj_1(normed))
        gating = self.attn.spatial_gating_unit
        local = gating.conv0(u)
        pairs = [getattr(gating, f"conv{i}_2")(getattr(gating, f"conv{i}_1")(local)) for i in range(3)]
        attended = self.attn.proj_2(gating.conv3(local + sum(pairs)) * u) + normed
        x = x + self.layer_scale_1[:, None, None] * attended
        hidden = F.gelu(self.mlp.dwconv(self.mlp.fc1(self.norm2(x))))
        return x + self.layer_scale_2[:, None, None] * self.mlp.fc2(hidden)


class MSCAN(nn.Module):
    """The image encoder of SegNeXt."""

    def __init__(self, stage_channels, depths):
        super().__init__()
        first = stage_channels[0]
        self.patch_embed1 = nn.Module()
        self.patch_embed1.proj = nn.Sequential(
            nn.Conv2d(3, first // 2, 3, 2, 1), nn.BatchNorm2d(first // 2), nn.GELU(),
            nn.Conv2d(first // 2, first, 3, 2, 1), nn.BatchNorm2d(first),
        )  # fmt: skip
        for i, (channels, depth, ratio) in enumerate(zip(stage_channels, depths, RATIOS, strict=True), start=1):
            if i > 1:
                embedding = nn.Module()
                embedding.proj = nn.Conv2d(stage_channels[i - 2], channels, 3, 2, 1)
                embedding.norm = nn.BatchNorm2d(channels)
                setattr(self, f"patch_embed{i}", embedding)
            setattr(self, f"block{i}", nn.ModuleList(Block(channels, ratio) for _ in range(depth)))
            setattr(self, f"norm{i}", nn.LayerNorm(channels))

    def forward(self, x):
        features = []
        for i in range(1, 5):
            embedding = getattr(self, f"patch_embed{i}")
            x = embedding.proj(x) if i == 1 else embedding.norm(embedding.proj(x))
            for block in getattr(self, f"block{i}"):
                x = block(x)
            x = getattr(self, f"norm{i}")(x.movedim(1, -1)).movedim(-1, 1)
            features.append(x)
        return features


@pytest.fixture(scope="module")
def mscan():
    """A narrow MSCAN as if trained: no parameter or statistic at its initial value."""
    torch.manual_seed(5)
    network = MSCAN(NARROW["stage_channels"], NARROW["depths"]).eval().requires_grad_(False)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.ndim == 1:
            value.copy_(torch.rand(value.shape) * 0.5 + (0.5 if name.endswith(("weight", "var")) else 0))
    return network


def make_lsms(in_channels=3, **settings):
    with patch.dict(VARIANTS, narrow=NARROW | settings):
        return LSMS("narrow", in_channels, text_encoder=BERT, default_input_ids=(1, 2), zero_init_gate=True).eval()


@pytest.fixture
def lsms():
    """An LSMS of the same widths whose words are still shut out, so that only the image speaks."""
    return make_lsms()


@pytest.fixture
def checkpoint(tmp_path):
    """A function that writes a state dict and says where."""

    def save(state):
        torch.save(state, tmp_path / "mscan_narrow.pth")
        return tmp_path / "mscan_narrow.pth"

    return save


def features(network, image):
    words = torch.zeros(1, 2, BERT["hidden_size"])
    with torch.no_grad():
        return network.encoder(image, words, torch.ones(1, 2))


def assert_same_features(network, image, mscan, colour):
    for ours, theirs in zip(features(network, image), mscan(colour), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_reference_has_the_names_of_the_published_checkpoints(mscan):
    names = {*mscan.state_dict()}
    assert {
        "patch_embed1.proj.0.weight",
        "patch_embed1.proj.4.running_var",
        "patch_embed2.proj.bias",
        "patch_embed4.norm.weight",
        "block1.0.norm1.num_batches_tracked",
        "block2.2.attn.spatial_gating_unit.conv2_1.weight",
        "block3.0.attn.proj_1.bias",
        "block1.0.mlp.dwconv.bias",
        "block4.1.layer_scale_2",
        "norm4.bias",
    } <= names


def test_a_loaded_encoder_gives_the_features_of_mscan(mscan, lsms, checkpoint):
    load_mscan(lsms, checkpoint(mscan.state_dict()))
    image = torch.rand(2, 3, 64, 96)
    assert_same_features(lsms, image, mscan, image)


@pytest.mark.parametrize("in_channels", [1, 5])
def test_grey_channels_give_the_features_of_a_grey_colour_image(mscan, checkpoint, in_channels):
    lsms = make_lsms(in_channels)
    load_mscan(lsms, checkpoint(mscan.state_dict()))
    grey = torch.rand(2, 1, 64, 32)
    assert_same_features(lsms, grey.repeat(1, in_channels, 1, 1), mscan, grey.repeat(1, 3, 1, 1))


@pytest.mark.parametrize("head", ["head.fc.weight", "decode_head.conv_seg.weight"])
def test_a_whole_classifier_or_segmentor_gives_its_backbone(mscan, lsms, checkpoint, head):
    backbone = {f"backbone.{name}": value for name, value in mscan.state_dict().items()}
    load_mscan(lsms, checkpoint({"meta": {"epoch": 300}, "state_dict": {**backbone, head: torch.rand(3, 2)}}))
    image = torch.rand(1, 3, 32, 32)
    assert_same_features(lsms, image, mscan, image)


def test_the_older_name_of_the_depthwise_convolution_is_known(mscan, lsms, checkpoint):
    older = {name.replace("dwconv", "dwconv.dwconv"): value for name, value in mscan.state_dict().items()}
    assert len({*older} - {*mscan.state_dict()}) == 2 * sum(NARROW["depths"])
    load_mscan(lsms, checkpoint(older))
    image = torch.rand(1, 3, 32, 32)
    assert_same_features(lsms, image, mscan, image)


def test_nothing_but_the_image_encoder_is_touched(mscan, lsms, checkpoint):
    before = {name: value.clone() for name, value in lsms.state_dict().items()}
    load_mscan(lsms, checkpoint(mscan.state_dict()))
    changed = {name for name, value in lsms.state_dict().items() if not torch.equal(value, before[name])}
    ours = {name for name in before if name.startswith("encoder.") and not NOT_IN_MSCAN.search(name)}
    assert changed == {name for name in ours if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"depths": (1, 4, 1, 2)}, r"[1-9]\d* weights are missing \(first: \['stages.1.3.*0 do not fit"),
        ({"depths": (1, 2, 1, 2)}, r"0 weights are missing .* [1-9]\d* do not fit \(first: \['stages.1.2."),
        ({"stage_channels": (8, 12, 16, 24)}, r"[1-9]\d* do not fit \(first: \['embeddings.3.0.weight'\]\)"),
    ],
)
def test_a_checkpoint_of_another_variant_is_refused(mscan, checkpoint, other, message):
    lsms = make_lsms(**other)
    before = {name: value.clone() for name, value in lsms.state_dict().items()}
    with pytest.raises(ValueError, match=f"checkpoint must fit the encoder: .*{message}.*variant of mscan_narrow.pth"):
        load_mscan(lsms, checkpoint(mscan.state_dict()))
    assert all(torch.equal(value, before[name]) for name, value in lsms.state_dict().items())


@pytest.mark.parametrize("name", ["layer1.0.conv1.weight", "block5.0.norm1.weight", "block1.0.attn.qkv.weight"])
def test_a_checkpoint_of_another_network_is_refused(lsms, checkpoint, name):
    with pytest.raises(ValueError, match=f"must hold an MSCAN backbone in OpenMMLab's layout, got the key '{name}'"):
        load_mscan(lsms, checkpoint({name: torch.rand(3)}))


@pytest.mark.parametrize("variant", ["tiny", "small"])
def test_every_weight_of_the_published_widths_finds_its_place(variant):
    sizes = VARIANTS[variant]
    with torch.device("meta"):
        published = MSCAN(sizes["stage_channels"], sizes["depths"]).state_dict()
    converted = {name: value.shape for name, value in convert_mscan(published, 1).items()}
    ours = LSMS(variant, text_encoder=BERT, default_input_ids=(1, 2)).encoder.state_dict()
    assert converted == {name: value.shape for name, value in ours.items() if not NOT_IN_MSCAN.search(name)}
