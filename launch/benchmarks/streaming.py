"""Slots that are refilled against batches that wait for their slowest frame."""

import dataclasses
import resource
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.refilling import (
    ENGINE,
    LOCK_STEP,
    PERCENTILES,
    Latency,
    Pair,
    Throughput,
)
from benchmarks.submitting import THREADS, TICK_SECONDS, Wait, measure
from benchmarks.suite import machine
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import first_videos, open_dataset
from rsf_jax.json_files import write_json
from rsf_jax.models.base import Prepared, prepare
from rsf_jax.policies import StepPolicy, entry
from rsf_jax.trained.model import Trained

FILE = "streaming.json"
LOADS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_DIFFERENT = 64  # videos, of many streams


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        policy: when frames end.
        slots: frames computed together.
        streams: that send frames.
        many: streams of the test with many.
        loads: frames that arrive, over what the engine could compute.
        seconds: of each load, and of each length of ticks.
        tick_seconds: lengths of ticks during which cameras call.
    """

    policy: StepPolicy
    slots: int = 8
    streams: int = 64
    many: int = 1000
    loads: tuple[float, ...] = LOADS
    seconds: float = 10.0
    tick_seconds: tuple[float, ...] = TICK_SECONDS


@dataclasses.dataclass(frozen=True)
class Report:
    """All that was measured.

    Attributes:
        throughput: of both, and of the engine with many streams.
        latency: of both, by load.
        difference: the largest between logits of both.
        other_steps: share of the frames whose steps differ: those with a ratio at the threshold.
        waits: of cameras' threads for an engine that computes.
    """

    throughput: list[Throughput]
    latency: list[Latency]
    difference: float
    other_steps: float
    waits: list[Wait]


def run(trained: Trained, settings: Settings) -> Report:
    """Measures all of it."""
    videos = load_videos(trained, settings.streams)
    prepared = prepare(trained.model, trained.variables, videos.shape[2:4])
    pair = Pair(trained.model, prepared, settings.policy, settings.slots, settings.streams)
    difference, other_steps = pair.compare(videos)
    throughput = pair.throughput(videos)
    capacity = throughput[0].frames_per_second
    latency = [
        found
        for load in settings.loads
        for found in pair.latency(videos, load, capacity, settings.seconds)
    ]
    throughput.append(_many(trained, prepared, settings))
    waits = measure(trained, videos, settings.slots, settings.seconds, settings.tick_seconds)
    return Report(throughput, latency, difference, other_steps, waits)


def load_videos(trained: Trained, count: int) -> np.ndarray:
    """Returns frames uint8 [count, T, H, W, I] of test videos, repeated if there are fewer."""
    test = open_dataset(trained.config).test
    videos = first_videos(test, min(count, len(test)))
    frames = next(evaluation_batches(videos, len(videos))).frames
    return frames[np.arange(count) % len(frames)]


def _many(trained: Trained, prepared: Prepared, settings: Settings) -> Throughput:
    """Many streams, two frames of each in a queue at most."""
    engine = trained.engine(
        settings.policy,
        prepared.frame_shape,
        slots=settings.slots,
        max_streams=settings.many,
    )
    videos = load_videos(trained, _DIFFERENT)
    streams = [engine.open() for _ in range(settings.many)]
    before = _peak_mb()
    began = time.perf_counter()
    for t in range(videos.shape[1]):
        for i, stream in enumerate(streams):
            engine.submit(stream, videos[i % len(videos), t])
        engine.poll()  # what is not fetched stays
    done = sum(1 for _ in engine.results())
    seconds = time.perf_counter() - began
    counted = engine.statistics()
    answered = counted.done + counted.repeated
    if answered != settings.many * videos.shape[1] or done > answered:
        raise RuntimeError(f"frames were lost: {counted}")
    return Throughput(
        ENGINE,
        answered / seconds,
        counted.useful_share,
        counted.useful_steps / answered,
        settings.many,
        _peak_mb() - before,
    )


def _peak_mb() -> float:
    """The process's peak memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def save(folder: Path, settings: Settings, report: Report) -> Path:
    """Writes `streaming.json`; returns its path."""
    path = folder / FILE
    told = dataclasses.asdict(settings) | entry(settings.policy)
    content = machine() | {"settings": told} | dataclasses.asdict(report)
    write_json(path, content)
    return path


def print_report(report: Report) -> None:
    """Prints three tables."""
    console = Console()
    console.print(_throughput_table(report))
    console.print(_latency_table(report))
    console.print(_waits_table(report))
    console.print(
        f"Between both, logits differ by {report.difference:.1e} at most, steps in "
        f"{report.other_steps:.2%} of the frames."
    )


def _throughput_table(report: Report) -> Table:
    table = Table(title="All streams have frames waiting")
    for column in ("", "streams", "frames/s", "useful steps", "steps per frame", "memory (MB)"):
        table.add_column(column, justify="right" if column else "left")
    for row in report.throughput:
        table.add_row(
            row.name,
            str(row.streams),
            f"{row.frames_per_second:.1f}",
            f"{row.useful_share:.1%}",
            f"{row.mean_steps:.2f}",
            f"{row.memory_mb:.0f}" if row.streams != report.throughput[0].streams else "",
        )
    return table


def _latency_table(report: Report) -> Table:
    table = Table(title="Frames arrive at random: milliseconds to the result")
    table.add_column("load")
    for name in (ENGINE, LOCK_STEP):
        for percentile in PERCENTILES:
            table.add_column(f"{name} {percentile} %", justify="right")
    for load in dict.fromkeys(row.load for row in report.latency):
        rows = {row.name: row.milliseconds for row in report.latency if row.load == load}
        values = [rows[name][p] for name in (ENGINE, LOCK_STEP) for p in PERCENTILES]
        table.add_row(f"{load:.0%}", *(f"{value:.1f}" for value in values))
    return table


def _waits_table(report: Report) -> Table:
    table = Table(title=f"{THREADS} threads call while another computes: milliseconds of a call")
    for column in ("", "tick (ms)", "calls", "median", "99 %", "longest"):
        table.add_column(column, justify="right" if column else "left")
    for wait in report.waits:
        times = (f"{value:.2f}" for value in wait.milliseconds)
        table.add_row(wait.call, f"{wait.tick_milliseconds:.0f}", str(wait.calls), *times)
    return table
