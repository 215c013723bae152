"""How long the rows of the paper would train here: an update of one video, times the videos."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.table import Table

import rsf_jax as rsf
from benchmarks import starting
from benchmarks.record import write_record
from rsf_jax import datasets
from rsf_jax.config.config import Config

FILE = "hours.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the paper, trained by its recipe.

    Attributes:
        preset: its name.
        videos: that training sees, in all epochs together.
        seconds: of the processor, all cores together, for loss and gradients of one video.
    """

    preset: str
    videos: int
    seconds: float

    @property
    def core_hours(self) -> float:
        """Of the whole training, without tests."""
        return self.videos * self.seconds / 3600


def measure(presets: Iterable[str], updates: int) -> Iterator[Row]:
    """Yields a row for each preset.

    A video of a batch takes as long as one alone (of the hGRU within a tenth, see
    docs/results/speed.md), and seconds of the processor do not count what others do meanwhile.

    Args:
        presets: of T-Pathfinder.
        updates: how many are timed; the fastest counts.
    """
    for preset in presets:
        yield row_of(preset, rsf.get_config(preset), updates)


def row_of(name: str, config: Config, updates: int) -> Row:
    """Returns the row of settings.

    Args:
        name: what it is called.
        config: the settings, with data of T-Pathfinder.
        updates: how many are timed; the fastest counts.
    """
    datasets.importable()
    from t_pathfinder.subsets import SUBSETS

    subset = SUBSETS[config.dataset.partition("/")[2]]
    geometry, frames = subset.settings.geometry, subset.settings.rule.frames
    sides = geometry.height, geometry.width
    one = config.replace(batch_size=1)
    rows = starting.training(one, rsf.build_model(one), sides, frames, updates)
    seconds = min(row.processor for row in rows if row.name == starting.UPDATE)
    seen = (1 - config.validation_share) * len(subset.splits["train"])
    return Row(name, round(seen * config.epochs), seconds)


def table(rows: Sequence[Row]) -> Table:
    """Returns the rows for print."""
    shown = Table(title="The paper's recipe: updates alone, in seconds and hours of one core")
    for heading in ("preset", "videos", "seconds a video", "core hours"):
        shown.add_column(heading, justify="left" if heading == "preset" else "right")
    for row in rows:
        hours = f"{row.core_hours:,.0f}"
        shown.add_row(f"`{row.preset}`", f"{row.videos:,}", f"{row.seconds:.2f}", hours)
    return shown


def save(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes `hours.json` and returns its path."""
    told = [dataclasses.asdict(row) | {"core_hours": row.core_hours} for row in rows]
    return write_record(folder / FILE, [table(rows)], rows=told)
