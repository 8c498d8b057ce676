# SPDX-License-Identifier: Apache-2.0
"""Write a bundle as one TorchScript file, which MONAI Deploy's own MonaiBundleInferenceOperator takes as it is.

The operator takes no string and no folder: it gets the expression as a uint8 tensor of UTF-8 bytes, and the network,
the metadata and the configuration out of one file. The transforms that the configuration names are those of this
package, which must be installed where the file is used.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import save_net_with_metadata

from lsms_monai.bundle_parts import load_weights, read_bundle
from lsms_monai.keys import EXPRESSION, IMAGE, PRED

REPOSITORY = Path(__file__).resolve().parents[1]
_UTF8 = {
    "type": "series",
    "format": "sequence",
    "num_channels": 1,
    "spatial_shape": ["n"],
    "dtype": "uint8",
    "value_range": [0, 255],
}


def export(bundle: Path, target: Path) -> Path:
    """Write the file, whole or not at all.

    Args:
        bundle: folder with configs/ and models/model.pt.
        target: the file to write.

    Returns:
        The file.

    Raises:
        FileNotFoundError: if the folder, its configuration or its weights are missing.
        ValueError: if the weights do not fit the network.
    """
    parser = read_bundle(bundle, ("network_def", "preprocessing", "postprocessing"))
    network = parser.get_parsed_content("network_def")
    load_weights(network, bundle / "models" / "model.pt")
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    inputs = {**metadata["network_data_format"]["inputs"], EXPRESSION: _UTF8}
    metadata["network_data_format"] = {**metadata["network_data_format"], "inputs": inputs}
    config = for_the_operator(json.loads((bundle / "configs" / "inference.json").read_text()))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    save_net_with_metadata(
        trace(network),
        str(part),
        include_config_vals=False,
        meta_values=metadata,
        more_extra_files={"inference.json": json.dumps(config, indent=4).encode()},
    )
    return part.replace(target)


def trace(network: torch.nn.Module) -> torch.jit.ScriptModule:
    """Trace a network that takes (image, input_ids, attention_mask), for any size of image and text.

    A trace remembers the device it was made on. Here it asks the image instead, so that one file serves CPU and GPU.
    """
    ids = torch.tensor([[101, 11290, 4649, 3258, 102]])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(
            network.eval(), (torch.rand(2, 1, 64, 96), ids, torch.ones_like(ids)), check_trace=False
        )
    graph = traced.graph
    torch._C._jit_pass_inline(graph)
    image = list(graph.inputs())[1]
    here = graph.create("prim::device", [image], 1)
    here.output().setType(torch._C.DeviceObjType.get())
    graph.prependNode(here)
    for constant in graph.findAllNodes("prim::Constant"):
        if isinstance(constant.output().type(), torch._C.DeviceObjType):
            constant.output().replaceAllUsesWith(here.output())
    return traced


def for_the_operator(config: dict[str, Any]) -> dict[str, Any]:
    """Change what the operator does otherwise: it hands over an image without a channel, and takes a plain prediction.

    Args:
        config: content of inference.json.

    Returns:
        The same with `EnsureChannelFirstd` in the place of `LoadImaged`, which the operator takes out, with
        `EnsureTyped` before `Invertd`, which would pass over a tensor without meta data, and in float32, as traced.
    """
    before, after = (config[name]["transforms"] for name in ("preprocessing", "postprocessing"))
    channel_first = {"_target_": "EnsureChannelFirstd", "keys": IMAGE}
    before = [channel_first if step["_target_"] == "LoadImaged" else step for step in before]
    return {
        **config,
        "bfloat16": False,
        "preprocessing": {**config["preprocessing"], "transforms": before},
        "postprocessing": {
            **config["postprocessing"],
            "transforms": [{"_target_": "EnsureTyped", "keys": PRED}, *after],
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write models/model.ts of a bundle; return 0, or 1 with the reason on the standard error stream."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=REPOSITORY / "bundle", help="folder with configs/ and models/")
    parser.add_argument("--output", type=Path, help="the file to write; by default models/model.ts of the bundle")
    options = parser.parse_args(arguments)
    try:
        target = export(options.bundle, options.output or options.bundle / "models" / "model.ts")
    except (ValueError, OSError) as error:
        sys.stderr.write(f"make_torchscript: {error}\n")
        return 1
    sys.stdout.write(f"{target}: {target.stat().st_size / 1024**2:.1f} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
