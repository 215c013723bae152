"""What a person sees of a run, and what is kept of it: progress bar and training curves."""

import collections
import datetime
import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

from rsf_jax.run_folder import RunFolder
from rsf_jax.training import curves

# Without a terminal a line is printed at most this often, in seconds.
_LINE_INTERVAL = 30.0


class ProgressReport:
    """Progress bar on a terminal, a line now and then in a log file, curves in both.

    Args:
        workdir: where the curves go: TensorBoard events in `workdir/events`, and `curves.jsonl`.
        total: updates of the whole run.
        done: updates done before this start.
    """

    def __init__(self, workdir: Path, total: int, done: int) -> None:
        self._workdir = workdir
        curves.begin(workdir, done)
        self._writer = SummaryWriter(str(RunFolder(workdir).events), purge_step=done)
        self._console = Console()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=total, completed=done, numbers="")
        self._total, self._last_line = total, -_LINE_INTERVAL
        # The first point of the curves: what went before it was compiling.
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> "ProgressReport":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()
        self._writer.close()

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Shows and records the training metrics after `step` updates."""
        self._record("train", step, metrics)
        numbers = (
            f"loss {metrics['loss']:.4f}  mIoU {metrics['miou']:.3f}  "
            f"{metrics['videos_per_second']:.1f} videos/s"
        )
        self._bar.update(self._task, completed=step, numbers=numbers)
        now = time.monotonic()
        self._first = self._first or (step, now)
        if not self._console.is_terminal and now - self._last_line >= _LINE_INTERVAL:
            self._last_line = now
            self._line(f"update {step}/{self._total}  {numbers}{self._remaining(step, now)}")

    def validated(self, step: int, metrics: Mapping[str, float], best: bool) -> None:
        """Shows and records the validation metrics after `step` updates."""
        self._record("validation", step, metrics)
        self._line(
            f"update {step}: validation loss {metrics['loss']:.5f}, mIoU {metrics['miou']:.4f}"
            + (" (best so far)" if best else "")
        )
        if "spectral_radius" in metrics:
            self._line(
                f"  spectral radius {metrics['spectral_radius']:.3f}, last step's change "
                f"{metrics['residual']:.2g}, penalty {metrics['penalty']:.2g}, Neumann terms "
                f"{metrics['neumann_terms']:.1f}"
            )

    def _record(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
        # JSON has no NaN, the mIoU of a batch without a label.
        metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
        curves.append(self._workdir, split, step, metrics)
        for name, value in metrics.items():
            self._writer.add_scalar(f"{split}/{name}", value, step)

    def _remaining(self, step: int, now: float) -> str:
        first_step, first_time = self._first or (step, now)
        if step == first_step:
            return ""
        seconds = (now - first_time) / (step - first_step) * (self._total - step)
        return f"  {datetime.timedelta(seconds=round(seconds))} left"

    def _line(self, text: str) -> None:
        # Not wrapped: a log's reader searches it by line.
        self._console.print(text, highlight=False, soft_wrap=True)


class Meter:
    """Videos per second: the median over the last updates, which a validation does not disturb."""

    def __init__(self, batch_size: int, window: int = 20) -> None:
        self._batch_size = batch_size
        self._seconds: collections.deque[float] = collections.deque(maxlen=window)
        self._last = time.monotonic()

    def rate(self) -> float:
        """Call once an update."""
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last = now
        return self._batch_size / statistics.median(self._seconds)
