# SPDX-License-Identifier: Apache-2.0
"""The `lsms` command. Whatever is heavy is imported inside the commands, so that `lsms --help` answers at once."""

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

import lsms_monai

INTERRUPTED = 130  # what a shell reports after Ctrl-C
_EXPECTED = (ValueError, TypeError, OSError, RuntimeError, MemoryError, ImportError)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(lsms_monai.__version__, prog_name="lsms")
def main() -> None:
    """Name a lesion in words, get exactly that lesion outlined in the CT.

    \b
    First steps:
      lsms phantom my_phantoms            make small artificial CTs to play with
      lsms segment CT "WORDS" -o RESULTS  outline what the words name in a CT

    Research software: not a medical device, not for diagnosis or treatment.
    """  # noqa: D301 - click's mark of a paragraph that keeps its lines


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("expressions", nargs=-1, required=True, metavar="EXPRESSION [EXPRESSION ...]")
@click.option(
    "-o",
    "--output-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the results; made if need be.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    envvar="LSMS_BUNDLE",
    help="Folder with the model (configs/ and models/).  [default: the bundle/ folder of this installation]",
)
@click.option("--device", metavar="NAME", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run in the output folder.")
def segment(
    image: Path,
    expressions: tuple[str, ...],
    output_dir: Path,
    bundle: Path | None,
    device: str | None,
    overwrite: bool,
) -> None:
    """Outline in a CT what each EXPRESSION names.

    IMAGE is a CT in Hounsfield units: one file (.nii, .nii.gz, .nrrd, .mha, .dcm, or a .png/.jpg slice) or the folder
    of one DICOM series. An EXPRESSION is a short English phrase as in a report, in quotes; left and right are the
    patient's. Several expressions give several, independent answers; "nothing found" is an answer too.

    \b
    Examples:
      lsms segment ct.nii.gz "the largest lesion in the right lobe" -o results
      lsms segment dicom_folder "the cyst" "all hypodense lesions" -o results

    \b
    For every expression the output folder receives
      NN_words_overlay.png  a picture of the slice with the largest area: look at it first
      NN_words_seg.nii.gz   the mask, 1 inside, in the geometry of the CT
    and once
      answer.json           found or not; volume, longest axial diameter, mean HU,
                            position, slices and confidence of every lesion

    Right and left on the pictures are marked R and L.
    """  # noqa: D301
    with _plain_errors(), _plain_warnings() as seen:
        if sys.stderr.isatty():
            click.echo("Loading the program takes a moment ...", err=True)
        from lsms_monai.predictor import BundlePredictor, check_expressions
        from lsms_monai.report import ANSWER_FILE, output_folder, write_report

        check_expressions(expressions)
        with output_folder(output_dir, overwrite=overwrite) as folder:
            volume, affine = _read_image(image)
            bundle = bundle or _default_bundle()
            predictor = BundlePredictor(bundle, device)
            start = time.perf_counter()
            with click.progressbar(length=1, label="Segmenting slices", file=sys.stderr) as bar:

                def progress(done: int, total: int) -> None:
                    bar.length = total
                    bar.update(done - bar.pos)

                answers = predictor.predict(volume, affine, expressions, progress=progress)
            model = {key: predictor.metadata.get(key) for key in ("name", "version")}
            about = {
                "image": str(image),
                "model": {**model, "bundle": str(bundle), "lsms_monai": lsms_monai.__version__},
                "duration_s": round(time.perf_counter() - start, 2),
                "warnings": seen,
            }
            content = write_report(folder, volume, affine, answers, about)
        for answer in content["answers"]:
            click.echo(f"“{answer['expression']}”\n  {answer['summary']}\n  {output_dir / answer['overlay']}")
        click.echo(f"All numbers: {output_dir / ANSWER_FILE}")


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--patients", default=10, show_default=True, type=click.IntRange(1), help="Number of artificial patients."
)
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same images.")
@click.option("--volumes", is_flag=True, help="Small volumes of 24 slices instead of single slices.")
def phantom(out: Path, patients: int, seed: int, volumes: bool) -> None:
    """Write artificial abdominal CTs with known liver lesions into the new folder OUT.

    Each has up to five lesions, their true masks, and expressions that name some of them: enough to try the program
    and to train on without any patient's data.

    \b
    Example:
      lsms phantom my_phantoms --patients 3 --volumes
    """  # noqa: D301
    with _plain_errors(), _plain_warnings():
        import json

        from lsms_monai.data.phantom import SLICE_SHAPE, VOLUME_SHAPE, write_phantoms

        shape = VOLUME_SHAPE if volumes else SLICE_SHAPE
        datalist = write_phantoms(out, num_patients=patients, seed=seed, shape=shape)
        sections = json.loads(datalist.read_text(encoding="utf-8"))
        entries = [entry for name in ("training", "validation", "test") for entry in sections[name]]
        click.echo(f"{patients} phantoms and {len(entries)} expressions: {datalist}")
        click.echo(f'Try: lsms segment {out / entries[0]["image"]} "{entries[0]["expression"]}" -o results')


def _read_image(path: Path) -> tuple[Any, Any]:
    """HU (W, H, D) and affine of a file or DICOM folder."""
    from lsms_monai.data import CTReader
    from lsms_monai.data.reader import PICTURE_SUFFIXES

    if not path.exists():
        raise FileNotFoundError(f"image not found: {path}; give a CT file or the folder of one DICOM series")
    reader = CTReader()
    volume, meta = reader.get_data(reader.read(path))
    if path.name.lower().endswith(PICTURE_SUFFIXES):
        warnings.warn(
            "a picture does not say how large a pixel is: volumes and diameters are not in true mm", stacklevel=2
        )
    return volume, meta["affine"]


def _default_bundle() -> Path:
    """The bundle of the working directory, of the checkout this package lies in, or the one it is packed into."""
    package = Path(lsms_monai.__file__).parent
    candidates = [Path("bundle"), package.parent / "bundle", package.parent]
    return next((folder for folder in candidates if (folder / "configs" / "inference.json").is_file()), candidates[0])


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn an error into one line and an exit status that is not 0."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nInterrupted: nothing was written.", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except click.exceptions.Exit:
        raise
    except Exception as error:
        name = "" if isinstance(error, _EXPECTED) else f"unexpected {type(error).__name__}, please report it: "
        raise click.ClickException(name + " ".join(str(error).split())) from error


@contextmanager
def _plain_warnings() -> Iterator[list[str]]:
    """Show our own warnings as single lines, once each, and no library's; yields what was shown."""
    package = Path(lsms_monai.__file__).parent
    seen: list[str] = []

    def show(message: Warning | str, category: type[Warning], filename: str, *_: Any) -> None:
        text = " ".join(str(message).split())
        if package in Path(filename).parents and text not in seen:
            seen.append(text)
            click.echo(f"Warning: {text}", err=True)

    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield seen
        finally:
            logging.disable(logging.NOTSET)
