# SPDX-License-Identifier: Apache-2.0
"""A bundle in which a two-weight network stands for LSMS: it knows dark from bright and nothing else."""

import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Transform

# Word pieces of "dark" and "hypodense", of "bright" and "hyperdense" in the vocabulary of uncased BERT.
DARK, BRIGHT = (2601, 22571), (4408, 23760)
BODY_HU, DARK_HU, BRIGHT_HU = 100, 40, 170
AFFINE = np.array([[-1.5, 0, 0, 70], [0, -1.5, 0, 60], [0, 0, 4.0, -30], [0, 0, 0, 1]])
DARK_BOX, BRIGHT_BOX = np.s_[4:9, 20:27, 1:4], np.s_[25:33, 6:16, 2:5]


class TwoWordNetwork(torch.nn.Module):
    """Grey level 0.2 when asked for what is dark, 0.85 for what is bright, both for anything else."""

    def __init__(self):
        super().__init__()
        self.width = torch.nn.Parameter(torch.tensor(0.1))
        self.contrast = torch.nn.Parameter(torch.tensor(100.0))

    def forward(self, image, input_ids, attention_mask):
        asked = [torch.isin(input_ids, torch.tensor(ids)).any(dim=1).reshape(-1, 1, 1, 1) for ids in (DARK, BRIGHT)]
        away = [(image - level).abs() for level in (0.2, 0.85)]
        far = torch.full_like(image, 9.0)
        dark, bright = (torch.where(other, far, way) for other, way in zip(asked[::-1], away, strict=True))
        return self.contrast * (self.width - torch.minimum(dark, bright))


class CountImages(Transform):
    """A step of the image's part of the preprocessing that counts its calls."""

    num_calls = 0

    def __call__(self, data):
        CountImages.num_calls += 1
        return data


def scene():
    """HU (W, H, D) with one dark and one bright lesion, air at the rim, and the two masks; the affine is AFFINE."""
    image = np.full((41, 37, 7), BODY_HU, np.int16)
    image[[0, -1]] = -1000
    masks = {}
    for word, box, hu in (("dark", DARK_BOX, DARK_HU), ("bright", BRIGHT_BOX, BRIGHT_HU)):
        image[box] = hu
        masks[word] = np.zeros(image.shape, bool)
        masks[word][box] = True
    return image, masks


def transform(name, **arguments):
    return {"_target_": name, **arguments}


def config(pixdim=(-1, -1, -1)):
    return {
        "device": "cpu",
        "bundle_root": ".",
        "threshold": 0.5,
        "existence_threshold": 0.5,
        "network_def": {"_target_": "stub.TwoWordNetwork"},
        "network": "$@network_def.to(@device)",
        "preprocessing": transform(
            "Compose",
            transforms=[
                transform("LoadImaged", keys="image", reader="lsms_monai.data.CTReader", ensure_channel_first=True),
                transform("lsms_monai.transforms.CheckCTd"),
                transform("stub.CountImages"),
                transform("Orientationd", keys="image", axcodes="LPS", labels=None),
                transform("Spacingd", keys="image", pixdim=list(pixdim), mode="bilinear"),
                transform("ScaleIntensityRanged", keys="image", a_min=0, a_max=200, b_min=0.0, b_max=1.0, clip=True),
                transform("lsms_monai.transforms.SelectExpressiond"),
                transform("lsms_monai.transforms.TokenizeExpressiond", max_length=16),
            ],
        ),
        "inferer": transform("lsms_monai.inferers.ExpressionSliceInferer", sw_batch_size=2),
        "postprocessing": transform(
            "Compose",
            transforms=[
                transform("Activationsd", keys="pred", sigmoid=True),
                transform("Invertd", keys="pred", transform="@preprocessing", orig_keys="image", nearest_interp=False),
                transform("AsDiscreted", keys="pred", threshold="@threshold"),
                transform("SaveImaged", keys="pred", output_dir="$@bundle_root + '/eval'"),
            ],
        ),
    }


def write_bundle(folder, content=None, weights=None):
    """Write the bundle into `folder` and return it."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(config() if content is None else content))
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": "Two words", "version": "1.2.3"}))
    torch.save(TwoWordNetwork().state_dict() if weights is None else weights, folder / "models" / "model.pt")
    return folder


class LogImages(Transform):
    """A step that notes who begins an image, by process and smallest HU, and then takes its time."""

    def __init__(self, path, seconds):
        self.path = path
        self.seconds = seconds

    def __call__(self, data):
        with Path(self.path).open("a") as log:
            log.write(f"{os.getpid()} {int(data['image'].min())}\n")
        time.sleep(self.seconds)
        return data
