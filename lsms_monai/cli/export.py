# SPDX-License-Identifier: Apache-2.0
"""`lsms export`: the network as files that other programs run."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from lsms_monai.cli.shell import bundle_option, default_bundle, plain_errors, plain_warnings, say_that_it_loads

FORMATS = ("onnx", "onnx-split", "pt2")


@click.command()
@click.argument("format_name", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("expressions", nargs=-1, metavar="[EXPRESSION ...]")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Folder for the files; made if need be.  [default: models/ of the bundle]",
)
@bundle_option
def export(format_name: str, expressions: tuple[str, ...], output_dir: Path | None, bundle: Path | None) -> None:
    """Write the network for other programs.

    \b
    FORMAT
      onnx        model.onnx: image and words in, logits out
      onnx-split  text_encoder.onnx and segmentor.onnx: a client that keeps the features of its words needs the
                  second one alone. Each EXPRESSION goes into expressions.npz with its features
      pt2         model.pt2 for torch.export.load: as onnx, but height and width are multiples of 32 from 64 to 1,024
                  (pad with 0 below and to the right); takes about a minute

    Batch, height, width and number of words are free. The image is what the preprocessing of configs/inference.json
    gives; that file, metadata.json and the hash of the weights lie in each exported file. A file is kept only if it
    agrees with PyTorch on a phantom.

    \b
    Examples:
      lsms export onnx -o exported
      lsms export onnx-split "the largest lesion" "the cyst" -o exported
    """  # noqa: D301
    if expressions and format_name != "onnx-split":
        raise click.UsageError("An EXPRESSION is of use with onnx-split only.")
    with plain_errors(), plain_warnings():
        say_that_it_loads()
        from lsms_monai import exports
        from lsms_monai.predictor import check_expressions

        bundle = bundle or default_bundle()
        folder = output_dir or bundle / "models"
        expressions = tuple(check_expressions(expressions)) if expressions else ()
        write = {"onnx": exports.export_onnx, "onnx-split": exports.export_split_onnx, "pt2": exports.export_pt2}
        network, prepare_text, samples, about = read_parts(bundle)
        folder.mkdir(parents=True, exist_ok=True)
        for path, difference in write[format_name](network, samples, folder, about).items():
            click.echo(f"{path}: {path.stat().st_size / 1024**2:.1f} MiB, within {difference:.1g} of PyTorch")
        if expressions:
            words = [prepare_text(expression) for expression in expressions]
            click.echo(f"{exports.write_bank(folder, expressions, words)}: {len(words)} expressions")


def read_parts(bundle: Path) -> tuple[Any, Callable[[str], tuple[Any, Any]], list[Any], dict[str, str]]:
    """Read a bundle: the network, what turns words into ids and mask, inputs to check with, texts for the files."""
    from monai.transforms import Compose, LoadImaged

    from lsms_monai.bundle_parts import load_weights, read_bundle, split_transforms
    from lsms_monai.onnx_network import WEIGHTS_KEY, weights_hash
    from lsms_monai.transforms import SelectExpressiond

    parser = read_bundle(bundle, ("network_def", "preprocessing"))
    network = parser.get_parsed_content("network_def")
    load_weights(network, bundle / "models" / "model.pt")
    preprocessing = parser.get_parsed_content("preprocessing")
    tokenize = Compose(split_transforms(preprocessing, SelectExpressiond, without=LoadImaged)[1])

    def prepare_text(expression: str) -> tuple[Any, Any]:
        sample = tokenize({"expression": expression})
        return sample["input_ids"], sample["attention_mask"]

    about = {name: (bundle / "configs" / name).read_text("utf-8") for name in ("inference.json", "metadata.json")}
    about[WEIGHTS_KEY] = weights_hash(bundle / "models" / "model.pt")
    return network.eval(), prepare_text, _phantom_inputs(preprocessing, prepare_text), about


def _phantom_inputs(preprocessing: Any, prepare_text: Callable[[str], tuple[Any, Any]]) -> list[Any]:
    """Inputs of the network that differ in batch, size and number of words."""
    import torch

    from lsms_monai.data import load_datalist, write_phantoms

    with TemporaryDirectory() as folder:
        write_phantoms(folder, num_patients=1, split=(0, 0, 1), shape=(160, 160, 8), num_lesions=3)
        entry = load_datalist(Path(folder) / "datalist.json", "test")[0]
        image = preprocessing({"image": entry["image"], "expression": "the lesion"})["image"].as_tensor()
    slices = image.movedim(-1, 0)
    inputs = []
    for batch, columns, expressions in (
        (2, slices.shape[3], ("the largest hypodense lesion in the right lobe", "the cyst")),
        (1, slices.shape[3] - 13, ("the lesion",)),
        (3, 61, ("the cyst in the left lobe", "no lesion", "the two calcified lesions near the surface")),
    ):
        ids, masks = (torch.stack(part) for part in zip(*map(prepare_text, expressions), strict=True))
        longest = int(masks.sum(dim=1).max())
        inputs.append((slices[:batch, :, :, :columns].contiguous(), ids[:, :longest], masks[:, :longest]))
    return inputs
