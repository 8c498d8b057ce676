# SPDX-License-Identifier: Apache-2.0
"""What the engines of the configurations need beyond MONAI's handlers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from ignite.engine import Engine
from monai.handlers import CheckpointLoader, IgniteMetricHandler

from lsms_monai.keys import IMAGE
from lsms_monai.metrics import ReferringMetric


def image_meta(batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Meta data of the images of a decollated batch, from which ``MetricsSaver`` takes the file names."""
    return [sample[IMAGE].meta for sample in batch]


class ReferringScores(IgniteMetricHandler):
    """Put `referring_scores` of an epoch into ``engine.state.metrics``, each under its own name.

    Args:
        output_transform: takes (pred, label) out of the engine's output, both lists of 0/1 masks (1, H, W[, D]).
    """

    def __init__(self, output_transform: Callable[[Any], Any] = lambda output: output) -> None:
        super().__init__(metric_fn=ReferringMetric(), output_transform=output_transform, save_details=False)

    def completed(self, engine: Engine, name: str) -> None:
        """Write the scores at the end of an epoch; the name under which the handler was attached is not used."""
        engine.state.metrics.update(self.compute())


def resume_training(trainer: Engine, state: Mapping[str, Any], directory: str | Path) -> None:
    """Go on from the newest ``checkpoint_epoch=*.pt`` of a training, with its best metric and its best weights.

    A file that was cut off when the training was killed is passed over. The learning rate follows the schedule as it
    is now: more epochs than before stretch it.

    Args:
        trainer: the trainer, not yet run.
        state: what the checkpoint holds, by name, as it was given to ``CheckpointSaver``.
        directory: where the training wrote its checkpoints.

    Raises:
        FileNotFoundError: if there is none to resume from.
        ValueError: if the training has reached its last epoch.
    """
    whole = [path for path in Path(directory).glob("checkpoint_epoch=*.pt") if is_zipfile(path)]
    if not whole:
        raise FileNotFoundError(f"a checkpoint is required to resume, none in {directory}; start with --resume False")
    newest = max(whole, key=lambda path: int(path.stem.split("=")[1]))
    scheduler = state.get("lr_scheduler")
    planned = {name: getattr(scheduler, name) for name in ("warmup_steps", "t_total") if hasattr(scheduler, name)}
    CheckpointLoader(load_path=str(newest), load_dict=dict(state), map_location="cpu")(trainer)  # type: ignore[arg-type]
    if scheduler is not None:  # its state holds the plan of the checkpoint, which had perhaps other epochs
        vars(scheduler).update(planned)
    last = trainer.state.max_epochs
    if last is not None and trainer.state.epoch >= last:  # Ignite would begin again, at a rate past its schedule
        raise ValueError(f"the training in {directory} has reached its {last} epochs; give more --epochs to go on")
