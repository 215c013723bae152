"""What small weights cost: scores with them and with those in full."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from rsf_jax.console import table_console
from rsf_jax.data.dataset import Dataset, check_dataset
from rsf_jax.evaluation.live import score_streams, streams_to_test
from rsf_jax.evaluation.live_settings import LENGTH, STREAMS
from rsf_jax.json_files import number, plain, write_json
from rsf_jax.policies import StepPolicy
from rsf_jax.programs import manifest
from rsf_jax.programs.weights import rounded
from rsf_jax.scoring.scorer import summarize
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of a model under one policy.

    Attributes:
        weights: as what they are stored.
        miou: on the test split; NaN where nothing is labeled.
        steps: recurrent steps per frame there.
        live_miou: on live streams of test videos; None for a model without recurrent steps.
        live_steps: recurrent steps per frame there.
    """

    __repr__ = in_a_line

    weights: str
    miou: float
    steps: float
    live_miou: float | None
    live_steps: float | None


def scores(
    trained: Trained,
    policy: StepPolicy,
    dataset: Dataset,
    weights: str = "float32",
    *,
    streams: int = STREAMS,
    length: int = LENGTH,
) -> Scores:
    """Scores a model with weights as a program stores them.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        dataset: whose test split is used; live streams are composed of its videos.
        weights: as what they are stored, see `weights.store`.
        streams: live streams.
        length: frames of each.

    Raises:
        InputError: if the dataset is none, or not of the model's classes and channels.
    """
    check_dataset(dataset, trained.config)
    trained = dataclasses.replace(trained, variables=rounded(trained.variables, weights))
    summary = summarize(trained.scorer()(dataset.test, policy))
    steps = summary.steps_per_video / len(summary.steps_by_frame)
    if not trained.model.recurrent:
        return Scores(weights, summary.miou, steps, None, None)
    shown = streams_to_test(dataset.test, streams, length)
    (live,) = score_streams(trained, shown, [policy])
    return Scores(weights, summary.miou, steps, live.miou, live.steps)


def write_scores(folder: Path, found: Sequence[Scores]) -> None:
    """Puts scores into the manifest of a program: `scores`, of weights in full and of its own."""
    path = folder / manifest.FILE
    write_json(path, {**json.loads(path.read_text()), "scores": list(found)})


def print_scores(found: Sequence[Scores]) -> None:
    """Prints a table, a row for each kind of weights."""
    table = Table(title="Scores by how weights are stored")
    table.add_column("weights", no_wrap=True)
    for title in ("mIoU", "steps", "live mIoU", "live steps"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found:
        values = map(plain, (one.miou, one.steps, one.live_miou, one.live_steps))
        table.add_row(one.weights, *map(number, values))
    table_console().print(table)
