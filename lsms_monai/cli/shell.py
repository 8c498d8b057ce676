# SPDX-License-Identifier: Apache-2.0
"""What the commands share: options, a CT and a bundle, progress, and errors and warnings as single lines."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

import lsms_monai

INTERRUPTED = 130  # what a shell reports after Ctrl-C
_EXPECTED = (ValueError, TypeError, OSError, RuntimeError, MemoryError, ImportError)

bundle_option = click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    envvar="LSMS_BUNDLE",
    help="Folder with the model (configs/ and models/).  [default: the bundle/ folder of this installation]",
)
device_option = click.option("--device", metavar="NAME", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")


def read_image(path: Path) -> tuple[Any, Any]:
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


def default_bundle() -> Path:
    """The bundle of the working directory, of the checkout this package lies in, or the one it is packed into."""
    package = Path(lsms_monai.__file__).parent
    candidates = [Path("bundle"), package.parent / "bundle", package.parent]
    return next((folder for folder in candidates if (folder / "configs" / "inference.json").is_file()), candidates[0])


def say_that_it_loads() -> None:
    """Tell a person who waits that torch takes a moment."""
    if sys.stderr.isatty():
        click.echo("Loading the program takes a moment ...", err=True)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar; yields the function that takes how much is done, and of how much."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield show


@contextmanager
def plain_errors(*, interrupted: str = "nothing was written.") -> Iterator[None]:
    """Turn an error into one line and an exit status that is not 0; `interrupted` is what Ctrl-C leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted: {interrupted}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except click.exceptions.Exit:
        raise
    except Exception as error:
        name = "" if isinstance(error, _EXPECTED) else f"unexpected {type(error).__name__}, please report it: "
        raise click.ClickException(name + " ".join(str(error).split())) from error


@contextmanager
def plain_warnings(*, quiet: bool = False) -> Iterator[list[str]]:
    """Show our own warnings as single lines, once each, and no library's; yields them. `quiet` only collects them."""
    package = Path(lsms_monai.__file__).parent
    seen: list[str] = []

    def show(message: Warning | str, category: type[Warning], filename: str, *_: Any) -> None:
        text = " ".join(str(message).split())
        if package in Path(filename).parents and text not in seen:
            seen.append(text)
            if not quiet:
                click.echo(f"Warning: {text}", err=True)

    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield seen
        finally:
            logging.disable(logging.NOTSET)
