"""What comes before the first update, an update, and the call of a live frame."""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from benchmarks.record import write_record
from rsf_jax.config.build import (
    build_model,
    build_objective,
    build_penalty,
    build_training_schedules,
)
from rsf_jax.config.config import Config
from rsf_jax.console import table_console
from rsf_jax.data.batch import Batch
from rsf_jax.models.base import VideoModel, prepare
from rsf_jax.models.first import first_variables
from rsf_jax.training.state import build_optimizer, create_state
from rsf_jax.training.step import make_train_step
from rsf_jax.typing import Variables
from rsf_jax.unroll import run_frame

FILE = "start.json"
UPDATE = "update"  # the name of its row
_ROUNDS = 5
_SECONDS = 0.3


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: of what was done.
        processor: seconds of the processor, all cores together; of a call, of its thread alone.
        seconds: on the clock, which other processes lengthen.
    """

    name: str
    processor: float
    seconds: float


def run(config: Config, *, sides: tuple[int, int], frame_count: int, updates: int) -> list[Row]:
    """Measures and prints.

    Args:
        config: the training; classes are weighed alike.
        sides: height and width of frames in pixels.
        frame_count: frames of a video.
        updates: how many are timed, after one that is not.
    """
    model = build_model(config)
    rows, variables = _first_weights(model, sides)
    rows += training(config, model, sides, frame_count, updates)
    rows.append(_live_frame(config, model, variables, sides))
    table_console().print(table(config, rows))
    return rows


def table(config: Config, rows: list[Row]) -> Table:
    """Returns the rows for print."""
    shown = Table(title=f"{config.name}, seconds")
    for heading in ("", "processor", "clock"):
        shown.add_column(heading, justify="right" if heading else "left")
    for row in rows:
        shown.add_row(row.name, f"{row.processor:.5g}", f"{row.seconds:.5g}")
    return shown


def save(folder: Path, config: Config, rows: list[Row]) -> Path:
    """Writes `start.json`; returns its path."""
    return write_record(folder / FILE, [table(config, rows)], config=config, rows=rows)


def _first_weights(model: VideoModel, sides: tuple[int, int]) -> tuple[list[Row], Variables]:
    key = jax.random.key(0)
    frames = jnp.zeros((1, 1, *sides, model.input_channels), jnp.float32)
    plain = jax.jit(lambda key, frames: model.init(key, frames))
    before, _ = _timed("first weights, by jax.jit(model.init)", lambda: plain(key, frames))
    now, found = _timed("first weights", lambda: first_variables(model, key, frames))
    return [before, now], found


def training(
    config: Config, model: VideoModel, sides: tuple[int, int], frame_count: int, updates: int
) -> list[Row]:
    """Returns how long an update takes to be traced, lowered and compiled, and each to be made.

    Args:
        config: the training; classes are weighed alike.
        model: what is trained.
        sides: height and width of frames in pixels.
        frame_count: frames of a video.
        updates: how many are timed, after one that is not; 0 for none at all.
    """
    optimizer = build_optimizer(config, 1)
    step = make_train_step(
        model,
        build_training_schedules(config)[0],
        optimizer,
        stateful=config.stateful,
        objective=build_objective(config, None),
        penalty=build_penalty(config),
        gradient_frames=config.gradient_frames,
    )
    state, batch = create_state(model, optimizer, 0, sides), _batch(config, (frame_count, *sides))
    jitted = jax.jit(step, donate_argnums=0)
    traced_row, traced = _timed("update: traced", lambda: jitted.trace(state, batch))
    lowered_row, lowered = _timed("update: lowered", traced.lower)
    compiled_row, compiled = _timed("update: compiled", lowered.compile)
    rows = [traced_row, lowered_row, compiled_row]
    for number in range(updates + 1 if updates else 0):
        row, (state, _) = _timed(UPDATE, partial(compiled, state, batch))
        rows += [row] if number else []
    return rows


def _batch(config: Config, shape: tuple[int, ...]) -> Batch:
    rng, size = np.random.default_rng(0), config.batch_size
    frames = rng.integers(0, 256, (size, *shape, config.input_channels), np.uint8)
    masks = rng.integers(0, config.classes, (size, *shape), np.uint8)
    return Batch(frames, masks, np.ones(size, np.float32))


def _live_frame(
    config: Config, model: VideoModel, variables: Variables, sides: tuple[int, int]
) -> Row:
    """A call, without the wait for its result: of several rounds the shortest."""
    prepared, policy = prepare(model, variables, sides), build_training_schedules(config)[0]
    frame = np.zeros((1, *sides, model.input_channels), np.uint8)
    state, _ = run_frame(model, prepared, model.initial_state(1, sides), frame, policy)
    rounds = []
    for _ in range(_ROUNDS):
        processor, seconds, calls, end = 0.0, 0.0, 0, time.perf_counter() + _SECONDS
        while calls == 0 or time.perf_counter() < end:
            began, clock = time.thread_time(), time.perf_counter()
            _, out = run_frame(model, prepared, state, frame, policy)
            processor += time.thread_time() - began
            seconds += time.perf_counter() - clock
            calls += 1
            jax.block_until_ready(out)
        rounds.append((processor / calls, seconds / calls))
    return Row("call of a live frame", *min(rounds))


def _timed(name: str, work: Callable[[], Any]) -> tuple[Row, Any]:
    clock, processor = time.perf_counter(), time.process_time()
    found = jax.block_until_ready(work())
    return Row(name, time.process_time() - processor, time.perf_counter() - clock), found
