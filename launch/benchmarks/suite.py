"""All measurements of speed in a row, and what is made of them."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import jax
from rich.table import Table

from benchmarks import accelerator, cases, memory, pytorch
from benchmarks.cases import TORCH
from benchmarks.record import write_record
from rsf_jax.config.build import training_schedule
from rsf_jax.config.config import Config
from rsf_jax.console import table_console
from rsf_jax.gradients import REMAT
from rsf_jax.measures.timing import Case, Timing, time_in_turns
from rsf_jax.ops.rounding import COMPUTE_DTYPES
from rsf_jax.policies import FixedSchedule

USUAL = ("step", "frame", "video", "training", "stream", "memory", "growth")
# Of a device that is new: under eight minutes, most of which is compiling.
ACCELERATOR = ("rule", "step", "types", "stream", "devices")
SECTIONS = tuple(dict.fromkeys(USUAL + ACCELERATOR))


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        config: the model, and the schedule that is trained.
        schedules: schedules of videos and streams.
        batch_sizes: images or videos processed together.
        side: frame height and width in pixels.
        frame_count: frames of a video.
        seconds: time spent on each case.
        sections: some of `SECTIONS`.
        torch: compare with PyTorch.
    """

    config: Config
    schedules: tuple[FixedSchedule, ...]
    batch_sizes: tuple[int, ...] = (1, 8)
    side: int = 128
    frame_count: int = 8
    seconds: float = 2.0
    sections: tuple[str, ...] = USUAL
    torch: bool = dataclasses.field(default_factory=pytorch.is_installed)


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        section: one of `SECTIONS`.
        group: what is compared within, such as "batch 8".
        name: the case.
        value: in `unit`, the median; peak memory as measured.
        unit: "ms" a step and image, frame, video or image, or "MB".
        best: the shortest call in ms; None for memory.
        ratio: PyTorch's value over this one in the same group; None without.
        compile_seconds: time to compile.
        temporary_mb: memory beside arguments and results, as the compiler reports it.
    """

    section: str
    group: str
    name: str
    value: float
    unit: str
    best: float | None = None
    ratio: float | None = None
    compile_seconds: float | None = None
    temporary_mb: float | None = None


def run(settings: Settings) -> list[Row]:
    """Measures all sections, one after another, and prints each when it is done."""
    rows = []
    console = table_console()
    for section in settings.sections:
        found = list(_SECTIONS[section](settings))
        console.print(table(section, found))
        rows += found
    return rows


def table(section: str, rows: list[Row]) -> Table:
    """Returns the rows of a section for print."""
    shown = Table(title=f"{section}: {_UNITS[section]}", title_justify="left")
    for heading in ("", "case", "median", "best", f"{TORCH} / this", "compile", "temporary"):
        shown.add_column(heading, justify="left" if heading in ("", "case") else "right")
    for row in rows:
        shown.add_row(
            row.group,
            row.name,
            f"{row.value:.4g} {row.unit}",
            _show(row.best, "{:.4g} ms"),
            _show(row.ratio, "{:.2f}x"),
            _show(row.compile_seconds, "{:.1f} s"),
            _show(row.temporary_mb, "{:.0f} MB"),
        )
    if not any(row.name.endswith(TORCH) for row in rows) and section in _COMPARED:
        shown.caption = "PyTorch is not compared: pip install torch; it knows hgru alone"
    return shown


def save(folder: Path, settings: Settings, rows: list[Row]) -> Path:
    """Writes `benchmark.json` and returns its path."""
    groups = {section: [row for row in rows if row.section == section] for section in SECTIONS}
    tables = [table(section, found) for section, found in groups.items() if found]
    return write_record(folder / "benchmark.json", tables, settings=settings, rows=rows)


def _step(settings: Settings) -> Iterator[Row]:
    for size in settings.batch_sizes:
        work = cases.build_workload(settings.config, size, 1, settings.side, settings.torch)
        yield from _timed("step", f"batch {size}", cases.step_cases(work), settings)


def _frame(settings: Settings) -> Iterator[Row]:
    counts = sorted({n for s in settings.schedules for n in (s.slow, s.fast)})
    for size in settings.batch_sizes:
        work = cases.build_workload(settings.config, size, 1, settings.side, False)
        yield from _timed("frame", f"batch {size}", cases.frame_cases(work, counts), settings)


def _video(settings: Settings) -> Iterator[Row]:
    for size in settings.batch_sizes:
        work = _videos(settings, size, torch=False)
        found = cases.video_cases(work, settings.schedules)
        yield from _timed("video", f"batch {size}", found, settings)


def _training(settings: Settings) -> Iterator[Row]:
    for size in settings.batch_sizes:
        # Two frames of one video, one frame of more: that is minutes of PyTorch already.
        frames = 2 if size == 1 else 1
        work = cases.build_workload(settings.config, size, frames, settings.side, settings.torch)
        found = cases.training_cases(work, training_schedule(settings.config))
        yield from _timed("training", f"batch {size}", found, settings)


def _stream(settings: Settings) -> Iterator[Row]:
    work = _videos(settings, 1, torch=settings.torch)
    for schedule in settings.schedules:
        found = cases.stream_cases(work, [schedule])
        yield from _timed("stream", str(schedule), found, settings)
    agreement = cases.agreement(work, settings.schedules[0])
    if agreement is not None:
        print(f"{TORCH} gives {agreement:.4%} of the pixels the same class")


def _memory(settings: Settings) -> Iterator[Row]:
    schedule = training_schedule(settings.config)
    shape = (1, settings.frame_count, settings.side)
    found = {}
    for remat in REMAT:
        config = settings.config.replace(remat=remat)
        found[f"remat {remat}"] = memory.measure(config, shape).peak_bytes
    short = (1, max(1, settings.frame_count // 4), settings.side)
    found[f"{short[1]} frames"] = memory.measure(settings.config, short).peak_bytes
    if settings.torch:
        found[TORCH] = memory.measure(settings.config, shape, torch=True).peak_bytes
    for name, value in found.items():
        ratio = found[TORCH] / value if TORCH in found else None
        yield Row("memory", f"one video, {schedule}", name, value / 1e6, "MB", ratio=ratio)


def _growth(settings: Settings) -> Iterator[Row]:
    channels, side = settings.config.channels, settings.side
    kernel = settings.config.kernel_size
    grid = [(f"kernel {k}", (channels, k, side, 1)) for k in (3, 5, 9, 15, 21, 31)]
    grid += [(f"side {s}", (channels, kernel, s, 1)) for s in (32, 64, 128, 256)]
    grid += [(f"batch {b}", (channels, kernel, side, b)) for b in (1, 4, 16)]
    for group, shape in grid:
        yield from _timed("growth", group, cases.growth_cases(*shape), settings)


def _rule(settings: Settings) -> Iterator[Row]:
    size, medians = max(settings.batch_sizes), {}
    for dtype, side in itertools.product(COMPUTE_DTYPES, accelerator.KERNELS):
        shape = (settings.config.channels, side, settings.side, size)
        group = f"{dtype}, {side}x{side}"
        for row in _timed("rule", group, accelerator.rule_cases(*shape, dtype), settings):
            medians[dtype, side, row.name] = row.value
            yield row
    print(f'"{jax.default_backend()}": {accelerator.rule_of(medians)},  # rsf_jax/ops/rule.py')


def _types(settings: Settings) -> Iterator[Row]:
    size = max(settings.batch_sizes)
    work = cases.build_workload(settings.config, size, 1, settings.side, False)
    yield from _timed("types", f"batch {size}", accelerator.type_cases(work), settings)


def _devices(settings: Settings) -> Iterator[Row]:
    size = max(settings.batch_sizes)
    found = accelerator.device_cases(settings.config, size, 1, settings.side)
    yield from _timed("devices", f"{size} videos each", found, settings)


_SECTIONS = {
    "rule": _rule,
    "types": _types,
    "devices": _devices,
    "step": _step,
    "frame": _frame,
    "video": _video,
    "training": _training,
    "stream": _stream,
    "memory": _memory,
    "growth": _growth,
}
_UNITS = {
    "rule": "one convolution of one image with both gradients",
    "types": "loss and gradients, per recurrent step and image",
    "devices": "one update, per video",
    "step": "one recurrent step of one image, forward",
    "frame": "one frame, with stem and readout",
    "video": "one video",
    "training": "loss and gradients, per recurrent step and image",
    "stream": "one frame of a live stream, state carried, classes on the host",
    "memory": "largest size of a process that computes the gradients of one video",
    "growth": "one convolution of one image",
}
_COMPARED = ("step", "training", "stream", "memory")


def _timed(section: str, group: str, found: dict[str, Case], settings: Settings) -> Iterator[Row]:
    timings = time_in_turns(found, settings.seconds)
    theirs = next((t.median for name, t in timings.items() if name.endswith(TORCH)), None)
    for name, timing in timings.items():
        yield _row(section, group, name, timing, theirs)


def _row(section: str, group: str, name: str, timing: Timing, theirs: float | None) -> Row:
    temporary = timing.temporary_bytes
    return Row(
        section,
        group,
        name,
        1e3 * timing.median,
        "ms",
        1e3 * timing.best,
        None if theirs is None else theirs / timing.median,
        timing.compile_seconds or None,
        None if temporary is None else temporary / 1e6,
    )


def _videos(settings: Settings, batch_size: int, torch: bool) -> cases.Workload:
    return cases.build_workload(
        settings.config, batch_size, settings.frame_count, settings.side, torch
    )


def _show(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
