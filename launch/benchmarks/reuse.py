"""Reuse across frames against the dense network: time, multiply-adds, and what could be saved."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

import rsf_jax as rsf
from benchmarks import clips
from benchmarks.record import write_record
from benchmarks.reuse_networks import (
    BEHIND_NOISE,
    NETWORKS,
    NOISE,
    Subject,
    calibrate_truncation,
    contour_network,
    image_network,
)
from rsf_jax.console import table_console
from rsf_jax.data.dataset import open_dataset
from rsf_jax.measures.timing import Case, time_in_turns
from rsf_jax.reuse import METHODS
from rsf_jax.reuse.bound import multiply_adds, work_left
from rsf_jax.typing import Array

SIZES = ((224, 224), (360, 480), (720, 1280))
SHARES = (0.01, 0.05, 0.2, 1.0)
CONTOURS = ("easy_ff6", "hard_ff8")
FILE = "reuse.json"
# Of what changes in part, and of what changes altogether.
_LABELS = ("one object", "all changes")
_OF_TWO = 0.05  # share of the pixels that change where two objects move


@dataclasses.dataclass(frozen=True)
class Row:
    """One network on one clip; times are medians of a frame at batch 1.

    Attributes:
        network: its name.
        clip: what is seen.
        size: height and width in pixels.
        method: of reuse.
        changed: mean share of the pixels that change from frame to frame.
        bound: dense multiply-adds over those of the pixels that see a change, see `work_left`.
        bound_box: the same for the smallest box around them.
        work: share of the multiply-adds that were done.
        dense_ms: everything computed: the network as it is, compiled, or what reuse falls back to,
            whichever is faster.
        reuse_ms: with reuse.
        error: the largest of all frames, see `Subject.error`.
    """

    network: str
    clip: str
    size: tuple[int, int]
    method: str
    changed: float
    bound: float
    bound_box: float
    work: float
    dense_ms: float
    reuse_ms: float
    error: float

    @property
    def speedup(self) -> float:
        """Times faster than dense."""
        return self.dense_ms / self.reuse_ms


def run(
    *,
    networks: Sequence[str] = tuple(NETWORKS),
    sizes: Sequence[tuple[int, int]] = SIZES,
    shares: Sequence[float] = SHARES,
    presets: Sequence[str] = CONTOURS,
    methods: Sequence[str] = METHODS[:1],
    folder: Path | None = None,
    noise: bool = False,
    seconds: float = 2.0,
) -> Iterator[list[Row]]:
    """Measures every network on every clip, and prints the table.

    Args:
        networks: of `NETWORKS`, with random weights.
        sizes: height and width of the fixed-camera clips.
        shares: of their pixels that change.
        presets: feedforward networks of this library, with random weights, on test videos of their
            datasets.
        methods: of reuse.
        folder: images of a video, for `networks`; None for none.
        noise: whether to measure truncation, calibrated, in front of a noisy camera.
        seconds: spent on each case.

    Yields:
        The rows of one clip after the other.
    """
    # Read first: a mistake shall not be found after minutes.
    images = None if folder is None else (folder.name, clips.from_folder(folder))
    for subject, label, clip in _cases(networks, sizes, shares, presets, methods, images, noise):
        found = list(_measure(subject, label, clip, seconds))
        table_console().print(table(found))
        yield found


def _cases(
    networks: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    shares: Sequence[float],
    presets: Sequence[str],
    methods: Sequence[str],
    images: tuple[str, clips.Clip] | None,
    noise: bool,
) -> Iterator[tuple[Subject, str, clips.Clip]]:
    for name, size in itertools.product(networks, sizes):
        subject = image_network(name, size, methods)
        for share in shares:
            yield subject, _LABELS[share >= 1], clips.fixed_camera(size, share)
        yield subject, "two objects", clips.fixed_camera(size, _OF_TWO, objects=2)
    if noise:
        for name in networks:
            truncation = calibrate_truncation(name)
            for size in sizes:
                clip = clips.noisy(clips.fixed_camera(size, BEHIND_NOISE), NOISE)
                yield image_network(name, size, METHODS[:1], truncation), "noisy camera", clip
    if images is not None:
        label, clip = images
        for name in networks:
            yield image_network(name, clip[0].shape[1:3], methods), label, clip
    for preset in presets:
        dataset = open_dataset(rsf.get_config(preset))
        (clip,) = clips.videos(dataset, 1)
        yield contour_network(preset, dataset.frame_shape, methods), preset.split("_")[0], clip


def _measure(subject: Subject, label: str, clip: clips.Clip, seconds: float) -> Iterator[Row]:
    frames = list(map(jnp.asarray, clip))
    # There and back again: a clip without an end. Never to the first, which may still be stored.
    order = [*range(1, len(frames)), *range(len(frames) - 2, 1, -1)]
    runs = {method: _Run(subject, method, frames, order) for method in subject.reuse}
    cases = {method: Case(each, units=len(order)) for method, each in runs.items()}
    first = next(iter(subject.reuse.values()))
    for name, whole in (("dense", subject.dense), ("layers", first.whole)):
        cases[name] = Case(partial(_through, whole, [frames[i] for i in order]), units=len(order))
    times = time_in_turns(cases, seconds)
    changed = [(a != b).any(-1).mean() for a, b in itertools.pairwise(clip)]
    for method, each in runs.items():
        program = each.reuse.program(frames[0])
        left = work_left(program, clip)
        weights = multiply_adds(program)
        yield Row(
            subject.name,
            label,
            (clip[0].shape[1], clip[0].shape[2]),
            method,
            float(np.mean(changed)),
            1 / left.pixels,
            1 / left.box,
            float(np.mean(each.computed, axis=0) @ weights / weights.sum()),
            1e3 * min(times["dense"].median, times["layers"].median),
            1e3 * times[method].median,
            each.error,
        )


def _through(network: Callable[[Array], Any], frames: Sequence[Array]) -> None:
    for frame in frames:
        jax.block_until_ready(network(frame))


class _Run:
    """Calls go through the clip, from the state that the last call left."""

    def __init__(
        self, subject: Subject, method: str, frames: Sequence[Array], order: Sequence[int]
    ) -> None:
        self.reuse = subject.reuse[method]
        self.frames, self.order = frames, order
        self.state = self.reuse.init(frames[0])
        self.computed, self.error = [], 0.0
        for i in order:
            output = self.step(i)
            self.computed.append(np.asarray(self.state.computed))
            expected = subject.dense(frames[i])
            self.error = max(self.error, subject.error(output, expected))

    def step(self, i: int) -> Any:
        self.state, output = self.reuse.step(self.state, self.frames[i])
        return output

    def __call__(self) -> None:
        for i in self.order:
            jax.block_until_ready(self.step(i))


def table(rows: Sequence[Row]) -> Table:
    """Returns the rows for print."""
    shown = Table(title="reuse across frames, batch 1", title_justify="left")
    for heading in ("network", "clip", "size", "method"):
        shown.add_column(heading)
    for heading in (
        "changed",
        "bound",
        "box",
        "work",
        "dense",
        "reuse",
        "faster",
        "of bound",
        "error",
    ):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            row.network,
            row.clip,
            "x".join(map(str, row.size)),
            row.method,
            f"{row.changed:.1%}",
            f"{row.bound:.2f}x",
            f"{row.bound_box:.2f}x",
            f"{row.work:.2f}",
            f"{row.dense_ms:.1f} ms",
            f"{row.reuse_ms:.1f} ms",
            f"{row.speedup:.2f}x",
            f"{row.speedup / row.bound:.0%}",
            f"{row.error:.0e}",
        )
    return shown


def save(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes `reuse.json` and returns its path."""
    return write_record(folder / FILE, [table(rows)], rows=rows)
