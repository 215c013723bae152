"""Slots that are refilled against batches that wait for their slowest frame."""

import dataclasses
import resource
import sys
import time
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.live_frames import CLIPS, LIVE, clips, live
from benchmarks.queueing import Service
from benchmarks.record import write_record
from benchmarks.refilling import (
    ENGINE,
    PERCENTILES,
    Gain,
    Latency,
    Pair,
    Throughput,
)
from benchmarks.submitting import THREADS, TICK_SECONDS, Wait, measure
from rsf_jax.console import table_console
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
        many: streams of the test with many; 0 for none.
        loads: frames that arrive, over what the engine could compute.
        seconds: of each load, and of each length of ticks.
        rounds: that the seconds of a load are divided into.
        tick_seconds: lengths of ticks during which cameras call.
        turns: of engine and lock-step, whose medians are told.
        frames: of a live stream.
        large_frames: of a live stream of the model of larger frames.
    """

    policy: StepPolicy
    slots: int = 8
    streams: int = 64
    many: int = 1000
    loads: tuple[float, ...] = LOADS
    seconds: float = 10.0
    rounds: int = 5
    tick_seconds: tuple[float, ...] = TICK_SECONDS
    turns: int = 5
    frames: int = 12
    large_frames: int = 6


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and frames, on which engine and lock-step were measured in turns.

    Attributes:
        model: its preset.
        frame_shape: (height, width) in pixels.
        shown: `CLIPS` or `LIVE`.
        frames: of all streams.
        throughput: of both.
        gain: of the engine.
    """

    model: str
    frame_shape: tuple[int, int]
    shown: str
    frames: int
    throughput: list[Throughput]
    gain: Gain


@dataclasses.dataclass(frozen=True)
class Report:
    """All that was measured.

    Attributes:
        cases: throughput of both, in turns.
        many: of the engine with many streams; None if it was not measured.
        services: what ticks and batches take, by which latencies are expected.
        latency: of both on live streams, by load.
        waits: of cameras' threads for an engine that computes.
    """

    cases: list[Case]
    many: Throughput | None
    services: dict[str, Service]
    latency: list[Latency]
    waits: list[Wait]


def run(trained: Trained, settings: Settings, large: Trained | None = None) -> Report:
    """Measures all of it.

    Args:
        trained: a model.
        settings: what to measure.
        large: another one, of larger frames, whose throughput is measured too.
    """
    shown = live(trained.config, settings.streams, settings.frames)
    pair = _pair(trained, shown, settings)
    cases = [
        _case(pair, trained, LIVE, shown, settings),
        _case(pair, trained, CLIPS, clips(trained.config, settings.streams), settings),
    ]
    services = pair.services(shown)
    capacity = cases[0].throughput[0].frames_per_second
    latency = [
        found
        for load in settings.loads
        for found in pair.latency(
            shown, load, capacity, settings.seconds, settings.rounds, services
        )
    ]
    many = _many(trained, _prepared(trained, shown), settings) if settings.many else None
    waits = measure(trained, shown, settings.slots, settings.seconds, settings.tick_seconds)
    if large:
        shown = live(large.config, settings.streams, settings.large_frames)
        cases.append(_case(_pair(large, shown, settings), large, LIVE, shown, settings))
    return Report(cases, many, services, latency, waits)


def _pair(trained: Trained, shown: np.ndarray, settings: Settings) -> Pair:
    prepared = _prepared(trained, shown)
    return Pair(trained.model, prepared, settings.policy, settings.slots, settings.streams)


def _prepared(trained: Trained, shown: np.ndarray) -> Prepared:
    return prepare(trained.model, trained.variables, shown.shape[2:4])


def _case(pair: Pair, trained: Trained, name: str, shown: np.ndarray, settings: Settings) -> Case:
    throughput, gain = pair.gain(shown, settings.turns)
    height, width = shown.shape[2:4]
    count = shown.shape[0] * shown.shape[1]
    return Case(trained.config.name, (height, width), name, count, throughput, gain)


def _many(trained: Trained, prepared: Prepared, settings: Settings) -> Throughput:
    """Many streams, two frames of each in a queue at most."""
    engine = trained.engine(
        settings.policy,
        prepared.frame_shape,
        slots=settings.slots,
        max_streams=settings.many,
    )
    videos = clips(trained.config, _DIFFERENT)
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
    told = dataclasses.asdict(settings) | entry(settings.policy)
    return write_record(folder / FILE, tables(report), settings=told, **dataclasses.asdict(report))


def tables(report: Report) -> list[Table]:
    """Returns what was measured for print."""
    return [_throughput_table(report), _latency_table(report), _waits_table(report)]


def print_report(report: Report) -> None:
    """Prints tables."""
    console = table_console()
    console.print(*tables(report))
    different = max(case.gain.difference for case in report.cases)
    other_steps = max(case.gain.other_steps for case in report.cases)
    console.print(
        f"Between both, logits differ by {different:.1e} at most, steps in {other_steps:.2%} of "
        "the frames."
    )


def _throughput_table(report: Report) -> Table:
    table = Table(title="All streams have frames waiting: medians of turns (least to most)")
    columns = ("", "streams", "", "frames/s", "useful steps", "steps per frame", "times", "bound")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for case in report.cases:
        gain, (height, width) = case.gain, case.frame_shape
        told = (
            f"{gain.ratio:.2f} ({gain.least:.2f} to {gain.most:.2f})",
            f"{gain.bound:.2f}",
        )
        for row in case.throughput:
            named = f"{height}x{width}, {case.shown}" if row.name == ENGINE else ""
            table.add_row(named, *_cells(row), *(told if row.name == ENGINE else ()))
    if report.many:
        table.add_row("many streams", *_cells(report.many))
        table.caption = f"Memory grew by {report.many.memory_mb:.0f} MB with many streams"
    return table


def _cells(row: Throughput) -> tuple[str, ...]:
    speed = f"{row.frames_per_second:.1f}"
    if row.slowest:
        speed += f" ({row.slowest:.1f} to {row.fastest:.1f})"
    share, steps = f"{row.useful_share:.1%}", f"{row.mean_steps:.2f}"
    return str(row.streams), row.name, speed, share, steps


def _latency_table(report: Report) -> Table:
    table = Table(
        title="Frames arrive at random: ms to the result, measured / expected of the queue"
    )
    for column in ("load", "", "frames"):
        table.add_column(column)
    for column in (*(f"{p} %" for p in PERCENTILES), "mean", "M/G/c"):
        table.add_column(column, justify="right")
    for row in report.latency:
        values = [f"{row.milliseconds[p]:.1f} / {row.expected[p]:.1f}" for p in PERCENTILES]
        means = f"{row.mean:.1f} / {row.expected_mean:.1f}"
        formula = f"{row.mgc_mean:.1f}" if row.name == ENGINE else ""
        table.add_row(f"{row.load:.0%}", row.name, str(row.frames), *values, means, formula)
    return table


def _waits_table(report: Report) -> Table:
    table = Table(title=f"{THREADS} threads call while another computes: milliseconds of a call")
    for column in ("", "tick (ms)", "calls", "median", "99 %", "longest"):
        table.add_column(column, justify="right" if column else "left")
    for wait in report.waits:
        times = (f"{value:.2f}" for value in wait.milliseconds)
        table.add_row(wait.call, f"{wait.tick_milliseconds:.0f}", str(wait.calls), *times)
    return table
