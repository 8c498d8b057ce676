# SPDX-License-Identifier: Apache-2.0
"""A study of `lsms batch`: where it lies, whether it is done, and what a worker does with it."""

import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import lsms_monai
from lsms_monai.cli.shell import plain_warnings, read_image


@dataclass(frozen=True)
class Study:
    """One image and what is asked about it.

    Args:
        name: its folder below the output folder, with "/" between the parts.
        image: a CT file or the folder of one DICOM series.
        expressions: what to look for, each in a person's words.
    """

    name: str
    image: str
    expressions: tuple[str, ...]


def find_studies(
    place: Path, expressions: Sequence[str], section: str = "test", *, output_dir: Path | None = None
) -> list[Study]:
    """List the studies of a folder, or those of a datalist.

    Args:
        place: a folder with images and DICOM series at any depth, or a JSON datalist.
        expressions: asked about every image; none for a datalist, which has its own.
        section: list of the datalist.
        output_dir: folder of the results; nothing below it is a study, nor are the results of other runs.

    Raises:
        FileNotFoundError: if there is no such place, or no image in it.
        ValueError: if the expressions come from nowhere or from two sides, two images would share a folder, or the
            results would lie among the studies.
    """
    from lsms_monai.data import find_images, load_datalist
    from lsms_monai.predictor import check_expressions
    from lsms_monai.report import is_result

    if (is_list := place.suffix.lower() == ".json") == bool(expressions):
        raise ValueError(
            f"expressions are given after a folder, and stand in the entries of a datalist; got {len(expressions)} "
            f"after {place}"
        )
    if is_list:
        asked: dict[Path, list[str]] = {}
        for entry in load_datalist(place, section, required=("image", "expression")):
            asked.setdefault(Path(entry["image"]), []).append(entry["expression"])
    elif output_dir is not None and output_dir.resolve() == place.resolve():
        raise ValueError(
            f"results need a folder of their own, got that of the studies, {output_dir}; choose another "
            f"--output-dir, such as {output_dir / 'results'}"
        )
    else:
        images = [path for path in find_images(place.absolute(), without=output_dir) if not is_result(path)]
        asked = dict.fromkeys(images, check_expressions(expressions))
    root = (place.parent if is_list or place.is_file() else place).absolute()
    if not asked:
        raise FileNotFoundError(f"{place} must hold images, got only results of earlier runs; name the studies")
    studies = [Study(_name(path, root), str(path), tuple(dict.fromkeys(texts))) for path, texts in asked.items()]
    owner: dict[str, str] = {}
    for study in studies:
        if (first := owner.setdefault(study.name, study.image)) != study.image:
            raise ValueError(
                f"each study needs an output folder of its own, got {study.name!r} for {first} and {study.image}; "
                "rename one of them"
            )
    return studies


def is_finished(study: Study, output_dir: Path, model: dict[str, Any]) -> bool:
    """Tell whether a study was answered by an earlier run: the same image, expressions and model.

    Raises:
        FileExistsError: if its folder holds another answer, or one that cannot be read.
    """
    from lsms_monai.report import ANSWER_FILE

    path = output_dir / study.name / ANSWER_FILE
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        answered = [answer["expression"] for answer in content.get("answers", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileExistsError(
            f"{path} must be an answer that lsms batch wrote, got other content; add --overwrite to replace it"
        ) from error
    if (content.get("image"), content.get("model"), answered) == (study.image, model, list(study.expressions)):
        return True
    raise FileExistsError(
        f"{path.parent} holds the answer to another image, model or expressions; choose another --output-dir, or add "
        "--overwrite to replace it"
    )


def segment_study(
    study: Study, output_dir: Path, bundle: Path, device: str | None, *, model: dict[str, Any] | None = None
) -> None:
    """Answer one study into its folder, all files or none; the model stays loaded for the next one.

    Args:
        study: see there.
        output_dir: folder of all studies.
        bundle: folder of the model.
        device: see ``BundlePredictor``.
        model: leave the study as it is if this model has answered it: Dask asks again for what a killed worker had
            finished. None answers it in any case.
    """
    from lsms_monai.report import output_folder, write_report

    if model is not None and is_finished(study, output_dir, model):
        return
    folder = output_dir / study.name
    for left_over in folder.glob(".lsms-*"):  # of a worker that was killed: one worker at a time has a study
        shutil.rmtree(left_over)
    folder.mkdir(parents=True, exist_ok=True)
    with plain_warnings(quiet=True) as seen, output_folder(folder, overwrite=True) as staging:
        predictor, answering = _predictor(bundle, device, _stamp(bundle))
        if model is not None and answering != model:
            raise ValueError(f"{bundle} has changed since lsms batch began, got another model; run the command again")
        volume, affine = read_image(Path(study.image))
        start = time.perf_counter()
        answers = ask(predictor, volume, affine, study.expressions)
        about = {
            "image": study.image,
            "model": answering,
            "duration_s": round(time.perf_counter() - start, 2),
            "warnings": seen,
        }
        write_report(staging, volume, affine, answers, about)


def ask(
    predictor: Any,
    volume: Any,
    affine: Any,
    expressions: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """Ask the bundle, with a warning about words it does not know; arguments as in ``BundlePredictor.predict``."""
    answers = predictor.predict(volume, affine, expressions, progress=progress)
    for answer in answers:
        if answer.unknown_words:
            words = ", ".join(answer.unknown_words)
            warnings.warn(f"“{answer.expression}” has words that the model does not know: {words}", stacklevel=1)
    return list(answers)


def model_of(metadata: dict[str, Any], bundle: Path) -> dict[str, Any]:
    """What `answer.json` says of the model; weights trained anew or another configuration are another one."""
    from lsms_monai.onnx_network import WEIGHTS_KEY, weights_hash

    named = {key: metadata.get(key) for key in ("name", "version")}
    weights = {WEIGHTS_KEY: weights_hash(bundle / "models" / "model.pt")}
    config = {"inference_sha256": weights_hash(bundle / "configs" / "inference.json")}
    return {**named, **weights, **config, "bundle": str(bundle), "lsms_monai": lsms_monai.__version__}


def _stamp(bundle: Path) -> tuple[int, ...]:
    """Changes with weights, configuration and version, which a worker that outlives them has to read again."""
    stats = [(bundle / name).stat() for name in ("models/model.pt", "configs/inference.json", "configs/metadata.json")]
    return tuple(value for stat in stats for value in (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1)
def _predictor(bundle: Path, device: str | None, stamp: tuple[int, ...]) -> tuple[Any, dict[str, Any]]:
    """The model, and what is said of it."""
    from lsms_monai.predictor import BundlePredictor

    predictor = BundlePredictor(bundle, device)
    return predictor, model_of(predictor.metadata, bundle)


def _name(path: Path, root: Path) -> str:
    """A study's folder: its place below `root`, without the endings of a file's name; its name alone if elsewhere."""
    # without "..", which would lead out of the results, and without following links, which lead anywhere
    path, root = (Path(os.path.abspath(place)) for place in (path, root))  # noqa: PTH100
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    if path.is_dir():
        return below.as_posix() if below.parts else path.name
    return (below.parent / below.name.removesuffix(".gz").rsplit(".", 1)[0]).as_posix()
