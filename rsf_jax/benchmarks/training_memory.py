"""Memory and time of gradients against the number of recurrent steps, for each estimator."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rsf_jax.benchmarks import memory
from rsf_jax.benchmarks.suite import machine
from rsf_jax.config import GRADIENTS, Config

STEPS = (5, 10, 20, 40, 80)
FILE = "training_memory.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        gradient: the estimator, as configurations name it.
        steps: recurrent steps of the frame.
        peak_mb: largest size of a process that computes the gradients, all included.
        temporary_mb: memory beside arguments and results, as the compiler reports it.
        ms: time of the gradients.
    """

    gradient: str
    steps: int
    peak_mb: float
    temporary_mb: float
    ms: float


def run(
    config: Config,
    *,
    steps: Sequence[int] = STEPS,
    gradients: Sequence[str] = GRADIENTS,
    batch_size: int = 1,
    side: int = 128,
) -> list[Row]:
    """Measures the gradients of images under every estimator, and prints them in a table.

    Args:
        config: the model.
        steps: numbers of recurrent steps.
        gradients: estimators, as configurations name them.
        batch_size: images of a batch.
        side: their height and width in pixels.
    """
    rows = []
    for gradient in gradients:
        for count in steps:
            wanted = config.replace(gradient=gradient, slow_steps=count, fast_steps=count)
            usage = memory.measure(wanted, (batch_size, 1, side))
            temporary = (usage.temporary_bytes or 0) / 1e6
            rows.append(
                Row(gradient, count, usage.peak_bytes / 1e6, temporary, 1e3 * usage.seconds)
            )
    Console().print(table(rows))
    return rows


def table(rows: Sequence[Row]) -> Table:
    """Returns the rows for print: a line for each estimator, a column for each number of steps."""
    shown = Table(
        title="temporary memory, peak of the process and time of one batch's gradients",
        title_justify="left",
    )
    counts = sorted({row.steps for row in rows})
    shown.add_column("gradient")
    for count in counts:
        shown.add_column(f"{count} steps", justify="right")
    for gradient in dict.fromkeys(row.gradient for row in rows):
        cells = {row.steps: row for row in rows if row.gradient == gradient}
        shown.add_row(gradient, *(_cell(cells[c]) if c in cells else "" for c in counts))
    return shown


def save(folder: Path, config: Config, rows: Sequence[Row]) -> Path:
    """Writes `training_memory.json` and returns its path."""
    path = folder / FILE
    content = {
        "machine": machine(),
        "config": dataclasses.asdict(config),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _cell(row: Row) -> str:
    return f"{row.temporary_mb:.0f} MB, {row.peak_mb:.0f} MB, {row.ms:.0f} ms"
