"""Programs beside the library: whether they agree over many frames, and frames per second."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.table import Table

from benchmarks.record import write_record
from rsf_jax import programs
from rsf_jax.errors import InputError
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.programs.check import library_video
from rsf_jax.trained.model import Trained

FILE = "programs.json"
LIBRARY, NEXT = "library", "library, next weights"
_HELD = 3  # every third frame shows what the one before did: gates have something to leave out
_DOTS = 0.1  # share of the pixels


@dataclasses.dataclass(frozen=True)
class Found:
    """What was measured of one way to run a model at batch 1.

    Attributes:
        name: the library; the library with weights that are the next numbers up, which differ from
            the model's by a rounding; or the program's format.
        difference: the largest of any two logits, to the library's.
        largest: of the library's logits, without sign.
        other_steps: frames that took other steps than in the library.
        steps: recurrent steps per frame.
        frames_per_second: median of the turns, each result on the host.
        milliseconds: of all processors' time for a frame, likewise.
        kilobytes: of the program.
    """

    name: str
    difference: float
    largest: float
    other_steps: int
    steps: float
    frames_per_second: float
    milliseconds: float
    kilobytes: int


def measure(
    trained: Trained,
    policy: StepPolicy,
    size: tuple[int, int] | None,
    frames: int,
    turns: int,
    timed: int,
) -> list[Found]:
    """Runs a video through the library and through programs, then times them in turns.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        size: (height, width) in pixels.
        frames: of the video, with one state that is carried.
        turns: of timing.
        timed: frames of a turn.

    Raises:
        InputError: if the frame size is not known.
    """
    if size is None:
        raise InputError("the frame size of training is not known: give frame_size")
    video = _video(frames, (*size, trained.config.input_channels))
    ways: dict[str, Callable[[np.ndarray], Any]] = {
        LIBRARY: library_video(trained, policy, size),
        # What rounding alone comes to over these frames: no program can be asked to be closer.
        NEXT: library_video(_next_to(trained), policy, size),
    }
    sizes = {LIBRARY: 0, NEXT: 0}
    with tempfile.TemporaryDirectory() as folder:
        for name in programs.FORMATS:
            made = programs.export_program(
                trained, policy, Path(folder, name), format=name, frame_shape=size
            )
            ways[name] = programs.Video(made).run
            sizes[name] = sum(path.stat().st_size for path in made.glob("program.*")) // 1000
    results = {name: [run(frame[None]) for frame in video] for name, run in ways.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, run in ways.items():
            began, used = time.perf_counter(), time.process_time()
            for frame in np.resize(video, (timed, *video.shape[1:])):
                run(frame[None])
            ended = (time.perf_counter() - began, time.process_time() - used)
            taken[name].append((ended[0] / timed, ended[1] / timed))
    return [
        _found(name, results[name], results[LIBRARY], taken[name], sizes[name]) for name in ways
    ]


def table(found: Sequence[Found]) -> Table:
    """Returns a row for each way, for print."""
    shown = Table(title="A model and its programs, batch 1")
    shown.add_column("", no_wrap=True)
    titles = ("frames/s", "of the library's", "ms used", "difference", "largest", "other steps")
    for title in (*titles, "steps", "kB"):
        shown.add_column(title, justify="right")
    for one in found:
        share = one.frames_per_second / found[0].frames_per_second
        numbers = (
            f"{one.frames_per_second:.1f}",
            f"{share:.2f}",
            f"{one.milliseconds:.1f}",
            f"{one.difference:.1g}",
            f"{one.largest:.1f}",
            f"{one.other_steps}",
            f"{one.steps:.2f}",
            f"{one.kilobytes}",
        )
        shown.add_row(one.name, *numbers)
    return shown


def save(folder: Path, policy: StepPolicy, found: Sequence[Found]) -> Path:
    """Writes what was measured; returns the file."""
    name = policy_name(policy)
    return write_record(folder / FILE, [table(found)], policy=name, ways=list(found))


def _next_to(trained: Trained) -> Trained:
    """The model with each weight the next number up."""

    def up(x: Any) -> Any:
        array = np.asarray(x)
        return np.nextafter(array, np.inf) if array.dtype == np.float32 else array

    return dataclasses.replace(trained, variables=jax.tree.map(up, trained.variables))


def _video(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Frames of a square that moves in front of dots; every third repeats the one before."""
    rng = np.random.default_rng(0)
    dots = np.where(rng.random(shape) < _DOTS, 255, 0).astype(np.uint8)
    frames = np.repeat(dots[None], count, 0)
    height, width = shape[:2]
    side = max(2, min(height, width) // 6)
    for n, frame in enumerate(frames):
        n -= n % _HELD == _HELD - 1
        top, left = n * 3 % (height - side), n * 2 % (width - side)
        frame[top : top + side, left : left + side] = 128
    return frames


def _found(
    name: str, results: Any, wanted: Any, taken: list[tuple[float, float]], kilobytes: int
) -> Found:
    logits, steps = (np.concatenate([one[part] for one in results]) for part in (0, 1))
    right, right_steps = (np.concatenate([one[part] for one in wanted]) for part in (0, 1))
    return Found(
        name,
        float(np.abs(logits - right).max()),
        float(np.abs(right).max()),
        int((steps != right_steps).sum()),
        float(steps.mean()),
        1 / float(np.median([wall for wall, _ in taken])),
        1000 * float(np.median([used for _, used in taken])),
        kilobytes,
    )
