# SPDX-License-Identifier: Apache-2.0
"""`lsms batch`: many studies, shared among processes or machines by Dask."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lsms_monai.cli.shell import (
    bundle_option,
    default_bundle,
    device_option,
    plain_errors,
    plain_warnings,
    progress_bar,
    say_that_it_loads,
)
from lsms_monai.cli.study import Study, find_studies, is_finished, model_of, segment_study

LOCK_FILE = ".lsms-batch.lock"


@click.command()
@click.argument("studies", type=click.Path(path_type=Path))
@click.argument("expressions", nargs=-1, metavar="[EXPRESSION ...]")
@click.option(
    "-o",
    "--output-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the results, one folder for each study.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine.")
@click.option(
    "--scheduler",
    metavar="ADDRESS|FILE",
    help="A running Dask scheduler (tcp://host:8786 or its --scheduler-file): its workers do the work.",
)
@click.option("--section", default="test", show_default=True, help="Which list, if STUDIES is a datalist.")
@bundle_option
@device_option
@click.option("--overwrite", is_flag=True, help="Answer again what has an answer.")
def batch(
    studies: Path,
    expressions: tuple[str, ...],
    output_dir: Path,
    workers: int,
    scheduler: str | None,
    section: str,
    bundle: Path | None,
    device: str | None,
    overwrite: bool,
) -> None:
    """Outline in many CTs what expressions name.

    STUDIES is a folder with CT files and DICOM series at any depth, each asked for every EXPRESSION, or a JSON datalist
    whose entries have an image and an expression of its own. Hidden folders and the output folder hold no studies. Each
    study gets a folder with what `lsms segment` writes, all of it or nothing.

    Whatever interrupts the work, the same command goes on where it stopped: a study with an answer is not asked again.
    A worker that is killed loses the study in hand, which another one takes over.

    \b
    Examples:
      lsms batch studies "the largest lesion" "the cyst" -o results --workers 4
      lsms batch datalist.json -o results --scheduler tcp://head-node:8786

    Workers on other machines, for example in a SLURM array, need this package, the same paths and
    `dask worker ADDRESS --nthreads 1`. Whoever reaches a Dask scheduler can run code on its workers: keep it in a
    network that you trust, or give it TLS certificates.
    """  # noqa: D301
    with plain_errors(interrupted="finished studies stay; the same command goes on."), plain_warnings():
        say_that_it_loads()
        jobs = find_studies(studies, expressions, section, output_dir=output_dir)
        bundle = (bundle or default_bundle()).absolute()
        model = None if overwrite else _model(bundle)
        todo = [job for job in jobs if model is None or not is_finished(job, output_dir, model)]
        if len(jobs) > len(todo):
            click.echo(f"{len(jobs) - len(todo)} of {len(jobs)} studies have an answer already")
        how = {"bundle": bundle, "device": device, "model": model}
        with _alone(output_dir):
            failed = _run(todo, output_dir.absolute(), how, workers, scheduler) if todo else {}
        click.echo(f"{len(todo) - len(failed)} studies answered, {len(failed)} failed: {output_dir}")
        for name, reason in failed.items():
            click.echo(f"Failed: {name}: {reason}", err=True)
        if failed:
            raise click.exceptions.Exit(1)


@contextmanager
def _alone(output_dir: Path) -> Iterator[None]:
    """Keep a second command out of the folder of results."""
    from filelock import FileLock, Timeout

    output_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(output_dir / LOCK_FILE, timeout=0):
            yield
    except Timeout:
        raise BlockingIOError(
            f"one lsms batch at a time may write into {output_dir}, another one does; wait for it, or give that one "
            "more --workers"
        ) from None


def _run(
    todo: list[Study], output_dir: Path, how: dict[str, Any], workers: int, scheduler: str | None
) -> dict[str, str]:
    """Answer the studies; gives those that failed, with the reason."""
    failed = {}
    with _client(min(workers, len(todo)), scheduler) as client, progress_bar("Segmenting studies") as progress:
        from dask.distributed import as_completed

        futures = {client.submit(segment_study, job, output_dir, **how, pure=False): job.name for job in todo}
        for done, future in enumerate(as_completed(futures), start=1):
            if (error := future.exception()) is not None:
                failed[futures[future]] = " ".join(str(error).split())
            progress(done, len(todo))
    return failed


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """Dask's client of a scheduler that runs, or of as many workers on this machine."""
    try:
        import dask
        from dask.distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError("lsms batch needs Dask, it is not installed; run: pip install 'lsms-monai[batch]'") from error
    if scheduler is not None:
        where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
        with Client(**where) as client:
            yield client
        return
    threads = str(max(1, _num_cores() // workers))
    saturation = {"distributed.scheduler.worker-saturation": 1.0}  # a worker holds the study in hand and no other
    with (
        dask.config.set(saturation),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # a volume needs what it needs
            dashboard_address=None,
            security=True,  # TLS: other people on this machine stay out
            silence_logs=logging.CRITICAL,
            env={"OMP_NUM_THREADS": threads},
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _num_cores() -> int:
    """Cores that this process may use, fewer than the machine has in a job of SLURM."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _model(bundle: Path) -> dict[str, Any]:
    """What `answer.json` will say of the model, without loading it."""
    metadata, weights = bundle / "configs" / "metadata.json", bundle / "models" / "model.pt"
    for path in (metadata, weights):
        if not path.is_file():
            raise FileNotFoundError(f"bundle not found: {path} does not exist; name the folder of an unpacked bundle")
    return model_of(json.loads(metadata.read_text(encoding="utf-8")), bundle)
