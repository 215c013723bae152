"""The recurrent U-Net's step and update: with XLA's convolutions, with oneDNN's, and in PyTorch."""

import contextlib
import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from rich.table import Table

from benchmarks import pytorch
from benchmarks.pytorch_unet import PyTorchUNet
from benchmarks.record import write_record
from rsf_jax.config.build import build_model, build_objective, training_schedule
from rsf_jax.config.config import Config
from rsf_jax.data.batch import Batch
from rsf_jax.measures.timing import Case, Timing, compiled, time_in_turns
from rsf_jax.models.first import first_variables
from rsf_jax.ops import onednn
from rsf_jax.training.step import video_gradients

FILE = "unet.json"
XLA, ONEDNN, TORCH = "XLA", "oneDNN", "PyTorch"
_STEPS = 4  # in a row: what begins and ends a call is small beside them


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        config: of a recurrent U-Net.
        sides: height and width of frames in pixels.
        batch: videos of an update.
        frames: of a video.
        seconds: spent on each case.
    """

    config: Config
    sides: tuple[int, int]
    batch: int
    frames: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        work: "step", of one image, or "update": loss and gradients of a batch.
        name: who does it.
        median: seconds.
        best: seconds.
        ratio: median of PyTorch over this one; None without PyTorch.
        agrees: largest difference to XLA's logits of a step; of losses in an update.
        temporary: bytes that the program needs beside its arguments; None of PyTorch.
    """

    work: str
    name: str
    median: float
    best: float
    ratio: float | None
    agrees: float
    temporary: int | None


def run(settings: Settings) -> list[Row]:
    """Measures step and update, each in turns."""
    rng = np.random.default_rng(0)
    config = settings.config
    shape = (settings.batch, settings.frames, *settings.sides)
    frames = rng.random((*shape, config.input_channels), np.float32)
    masks = rng.integers(0, config.classes, shape).astype(np.uint8)
    model = build_model(config)
    variables = first_variables(model, jax.random.key(0), frames[:1, :1, :16, :16])
    torch = PyTorchUNet(variables["params"]) if pytorch.is_installed() else None
    found = []
    for work, cases in (
        ("step", _steps(model, variables, frames[:1, 0], torch)),
        ("update", _updates(settings, model, variables, frames, masks, torch)),
    ):
        results = {name: np.asarray(case.call()) for name, case in cases.items()}
        timings = time_in_turns(cases, settings.seconds)
        for name, timing in timings.items():
            apart = float(np.abs(results[name] - results[XLA]).max())
            found.append(_row(work, name, timing, timings.get(TORCH), apart))
    return found


def table(rows: list[Row]) -> Table:
    """Returns the rows for print."""
    shown = Table(title="Milliseconds; with PyTorch's time over ours", title_justify="left")
    headings = ("", "", "median", "best", f"{TORCH} / this", "differs by", "temporary MB")
    for i, heading in enumerate(headings):
        shown.add_column(heading, justify="left" if i < 2 else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        memory = "" if row.temporary is None else f"{row.temporary / 2**20:.0f}"
        shown.add_row(
            row.work,
            row.name,
            f"{1e3 * row.median:.1f}",
            f"{1e3 * row.best:.1f}",
            ratio,
            f"{row.agrees:.1e}",
            memory,
        )
    return shown


def save(folder: Path, settings: Settings, rows: list[Row]) -> Path:
    """Writes `unet.json`; returns its path."""
    told = {
        "config": settings.config.name,
        "sides": settings.sides,
        "batch": settings.batch,
        "frames": settings.frames,
    }
    rows_told = [dataclasses.asdict(row) for row in rows]
    return write_record(folder / FILE, [table(rows)], **told, rows=rows_told)


def _ways() -> Iterator[tuple[str, contextlib.AbstractContextManager]]:
    """Who convolves, and within what it is traced so."""
    yield XLA, onednn.left_out()
    if onednn.is_used():
        yield ONEDNN, contextlib.nullcontext()


def _steps(
    model: Any, variables: Any, frame: np.ndarray, torch: PyTorchUNet | None
) -> dict[str, Case]:
    carry = model.initial_state(1, frame.shape[1:3]).carry
    drive = model.apply(variables, jnp.asarray(frame), method="drive")

    def steps(carry: Any, drive: Any) -> Any:
        def body(carry: Any, _: None) -> tuple[Any, None]:
            return model.apply(variables, carry, drive, method="step"), None

        return lax.scan(body, carry, length=_STEPS)[0].output

    cases = {}
    for name, way in _ways():
        with way:
            # Of its own, or what was traced before would be taken again.
            cases[name] = compiled(lambda *args: steps(*args), carry, drive, units=_STEPS)
    if torch is not None:
        state, moved = torch.begin(torch.tensor(frame)), torch.drive(torch.tensor(frame)).detach()
        cases[TORCH] = Case(
            lambda: torch.steps(state, moved, _STEPS)[1].permute(0, 2, 3, 1).numpy(), _STEPS
        )
    return cases


def _updates(
    settings: Settings,
    model: Any,
    variables: Any,
    frames: np.ndarray,
    masks: np.ndarray,
    torch: PyTorchUNet | None,
) -> dict[str, Case]:
    schedule, objective = training_schedule(settings.config), build_objective(settings.config)
    batch = Batch(frames, masks, np.ones(len(frames), np.float32))
    shares = batch.weights / len(frames)

    def gradients(variables: Any, batch: Batch) -> Any:
        return video_gradients(model, variables, batch, shares, schedule, objective=objective)

    cases = {}
    for name, way in _ways():
        with way:
            case = compiled(lambda *args: gradients(*args), variables, batch)
        call = partial(lambda call: call().loss, case.call)
        cases[name] = dataclasses.replace(case, call=call)
    if torch is not None:
        import torch as pytorch_itself

        videos = [torch.tensor(frames[:, t]) for t in range(settings.frames)]
        labels = [pytorch_itself.tensor(masks[:, t]).long() for t in range(settings.frames)]
        counts = [schedule.length(t == 0) for t in range(settings.frames)]
        call = partial(torch.gradients, videos, labels, counts, objective.step_decay)
        cases[TORCH] = Case(call)
    return cases


def _row(work: str, name: str, timing: Timing, theirs: Timing | None, apart: float) -> Row:
    ratio = None if theirs is None else theirs.median / timing.median
    return Row(work, name, timing.median, timing.best, ratio, apart, timing.temporary_bytes)
