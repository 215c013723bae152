"""Memory and time of gradients against the number of recurrent steps, for each estimator."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import track
from rich.table import Table

from benchmarks import memory
from benchmarks.record import write_record
from rsf_jax.config.config import Config
from rsf_jax.console import table_console

STEPS = (5, 10, 20, 40, 80)
# Those that docs/guides/flat-memory.md compares; others by name.
COMPARED = ("bptt", "rbp", "one_step", "c_bptt", "c_rbp", "c_one_step")
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
    gradients: Sequence[str] = COMPARED,
    side: int = 128,
) -> list[Row]:
    """Measures the gradients of one image under every estimator, and prints them in tables.

    Args:
        config: the model.
        steps: numbers of recurrent steps.
        gradients: estimators, as configurations name them.
        side: height and width of the image in pixels.
    """
    cases = list(itertools.product(gradients, steps))
    rows = [
        _measure(config.replace(gradient=gradient, slow_steps=n, fast_steps=n), side)
        for gradient, n in track(cases, "measuring", transient=True)
    ]
    table_console().print(*tables(rows))
    return rows


def _measure(config: Config, side: int) -> Row:
    usage = memory.measure(config, (1, 1, side))
    temporary = (usage.temporary_bytes or 0) / 1e6
    return Row(
        config.gradient, config.slow_steps, usage.peak_bytes / 1e6, temporary, 1e3 * usage.seconds
    )


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    """Yields one table for each quantity: a line an estimator, a column a number of steps."""
    counts = sorted({row.steps for row in rows})
    for quantity, title in _QUANTITIES.items():
        shown = Table(title=title, title_justify="left")
        shown.add_column("recurrent steps")
        for count in counts:
            shown.add_column(str(count), justify="right")
        for gradient in dict.fromkeys(row.gradient for row in rows):
            found = {r.steps: getattr(r, quantity) for r in rows if r.gradient == gradient}
            shown.add_row(gradient, *(f"{found[c]:.0f}" if c in found else "" for c in counts))
        yield shown


_QUANTITIES = {
    "temporary_mb": "temporary memory of the gradients of one image, MB",
    "peak_mb": "peak memory of the process, MB",
    "ms": "time of the gradients, ms",
}


def save(folder: Path, config: Config, rows: Sequence[Row]) -> Path:
    """Writes `training_memory.json` and returns its path."""
    return write_record(folder / FILE, tables(rows), config=config, rows=rows)
