# SPDX-License-Identifier: Apache-2.0
"""Single output files, all of them or none."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def output_files(*paths: Path, overwrite: bool = False) -> Iterator[list[Path]]:
    """Give hidden files beside the paths, which take their names when the block ends without an error.

    Args:
        paths: files to write, each another one; nothing is left of any of them after an error.
        overwrite: replace files that exist.

    Raises:
        OSError: if a file exists without `overwrite`, before or after the block, or its folder cannot be written.
        ValueError: if two paths are one file.
    """
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise ValueError(f"each output needs a file of its own, got {path} twice; choose another name for one")
    _check_new(paths, overwrite)
    with ExitStack() as stack:
        hidden = []
        for path in paths:
            try:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".lsms-", dir=path.absolute().parent))
            except OSError as error:
                raise OSError(f"output {path} cannot be written ({error.strerror}); choose another folder") from error
            hidden.append(Path(folder, path.name))
        yield hidden
        _check_new(paths, overwrite)
        for file, path in zip(hidden, paths, strict=True):
            file.replace(path)


def _check_new(paths: Sequence[Path], overwrite: bool) -> None:
    """Refuse what would be lost."""
    for path in paths:
        if path.is_dir() or (path.exists() and not overwrite):
            raise FileExistsError(f"output must be a new file, {path} exists; choose another name, or add --overwrite")
