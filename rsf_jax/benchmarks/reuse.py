"""Reuse across frames against the dense network: time, multiply-adds, and what could be saved."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import rsf_jax as rsf
from rsf_jax.benchmarks import clips
from rsf_jax.benchmarks.suite import machine
from rsf_jax.benchmarks.timing import Case, time_in_turns
from rsf_jax.data import open_dataset
from rsf_jax.reuse import METHODS, ReuseNetwork, frame_network
from rsf_jax.reuse.bound import multiply_adds, work_left
from rsf_jax.reuse.subjects import AlexNet, ResNet
from rsf_jax.typing import Array, Variables

NETWORKS: dict[str, Callable[[], nn.Module]] = {"resnet18": ResNet, "alexnet": AlexNet}
SIZES = ((224, 224), (360, 480), (720, 1280))
SHARES = (0.01, 0.05, 0.2, 1.0)
CONTOURS = ("easy_ff6", "hard_ff8")
FILE = "reuse.json"
# Of what changes in part, and of what changes altogether.
_LABELS = ("one object", "all changes")
_OF_TWO = 0.05  # share of the pixels that change where two objects move
_TABLE_WIDTH = 118


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
        dense_ms: the network as it is, compiled.
        reuse_ms: with reuse.
        error: largest difference of the outputs relative to the largest output.
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


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network with reuse, and in its fastest dense form.

    Attributes:
        name: its name.
        reuse: by method.
        dense: the whole of a frame, compiled.
    """

    name: str
    reuse: dict[str, ReuseNetwork]
    dense: Callable[[Array], Any]


def run(
    *,
    networks: Sequence[str] = tuple(NETWORKS),
    sizes: Sequence[tuple[int, int]] = SIZES,
    shares: Sequence[float] = SHARES,
    presets: Sequence[str] = CONTOURS,
    methods: Sequence[str] = METHODS[:1],
    folder: Path | None = None,
    seconds: float = 2.0,
) -> list[Row]:
    """Measures every network on every clip, and prints the table.

    Args:
        networks: of `NETWORKS`, with random weights.
        sizes: height and width of the fixed-camera clips.
        shares: of their pixels that change.
        presets: feedforward networks of this library, with random weights, on test videos of their
            datasets.
        methods: of reuse.
        folder: images of a video, for `networks`; None for none.
        seconds: spent on each case.
    """
    rows: list[Row] = []
    # Read first: a mistake shall not be found after minutes.
    images = None if folder is None else (folder.name, clips.from_folder(folder))
    for subject, label, clip in _cases(networks, sizes, shares, presets, methods, images):
        found = list(_measure(subject, label, clip, seconds))
        Console(width=_TABLE_WIDTH).print(table(found))
        rows += found
    return rows


def _cases(
    networks: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    shares: Sequence[float],
    presets: Sequence[str],
    methods: Sequence[str],
    images: tuple[str, clips.Clip] | None,
) -> Iterator[tuple[Subject, str, clips.Clip]]:
    for name, size in itertools.product(networks, sizes):
        subject = image_network(name, size, methods)
        for share in shares:
            yield subject, _LABELS[share >= 1], clips.fixed_camera(size, share)
        yield subject, "two objects", clips.fixed_camera(size, _OF_TWO, objects=2)
    if images is not None:
        label, clip = images
        for name in networks:
            yield image_network(name, clip[0].shape[1:3], methods), label, clip
    for preset in presets:
        dataset = open_dataset(rsf.get_config(preset))
        (clip,) = clips.videos(dataset, 1)
        yield contour_network(preset, dataset.frame_shape, methods), preset.split("_")[0], clip


def image_network(name: str, size: tuple[int, ...], methods: Sequence[str]) -> Subject:
    """Returns a network of `NETWORKS` with random weights, for frames of a size."""
    network = NETWORKS[name]()
    variables = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, *size, 3)))
    apply = jax.jit(network.apply)
    return Subject(name, _by_method(network, variables, methods), lambda x: apply(variables, x))


def contour_network(preset: str, shape: tuple[int, int], methods: Sequence[str]) -> Subject:
    """Returns a feedforward network of this library with random weights, for frames of a size."""
    model = rsf.build_model(rsf.get_config(preset))
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1, *shape, 1)))
    prepared, start = rsf.prepare(model, variables, shape), model.initial_state(1, shape)
    one = rsf.FixedSchedule(1, 1)
    apply = jax.jit(lambda prepared, x: rsf.run_frame(model, prepared, start, x, one)[1].logits)
    reuse = _by_method(frame_network(model), variables, methods)
    return Subject(preset, reuse, lambda x: apply(prepared, x))


def _by_method(network: Any, variables: Variables, methods: Sequence[str]) -> dict:
    return {method: ReuseNetwork(network, variables, method=method) for method in methods}


def _measure(subject: Subject, label: str, clip: clips.Clip, seconds: float) -> Iterator[Row]:
    frames = list(map(jnp.asarray, clip))
    # There and back again: a clip without an end.
    order = [*range(1, len(frames)), *range(len(frames) - 2, -1, -1)]
    runs = {method: _Run(subject, method, frames, order) for method in subject.reuse}
    cases = {method: Case(each, units=len(order)) for method, each in runs.items()}
    cases["dense"] = Case(
        lambda: [jax.block_until_ready(subject.dense(frames[i])) for i in order], units=len(order)
    )
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
            1e3 * times["dense"].median,
            1e3 * times[method].median,
            each.error,
        )


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
            error = jnp.abs(output - expected).max() / jnp.abs(expected).max()
            self.error = max(self.error, float(error))

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
    for heading in ("changed", "bound", "box", "work", "dense", "reuse", "faster", "of bound"):
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
        )
    return shown


def save(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes `reuse.json` and returns its path."""
    path = folder / FILE
    content = {"machine": machine(), "rows": [dataclasses.asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
