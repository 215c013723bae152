"""Speed on live streams: one camera by itself, and many on the slots of an engine."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.record import write_record
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation.live import streams_to_test
from rsf_jax.models.base import prepare
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.streaming import StreamEngine
from rsf_jax.trained.model import Trained
from rsf_jax.unroll import run_frame

FILE = "live_speed.json"
# Frames of a stream that may wait: all of them do, from the start.
_UNBOUNDED = 1_000_000


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        policy: recurrent steps of every frame.
        stateful: whether frames begin with the state that the one before has left.
    """

    policy: StepPolicy
    stateful: bool = True

    @property
    def name(self) -> str:
        """The policy's text."""
        return policy_name(self.policy) + ("" if self.stateful else ", stateless")


@dataclasses.dataclass(frozen=True)
class Speed:
    """What was measured of a case; medians of turns.

    Attributes:
        name: of the case.
        steps: recurrent steps per frame.
        milliseconds: per frame of one stream, at batch 1, each result on the host.
        frames_per_second: of many streams in an engine.
    """

    name: str
    steps: float
    milliseconds: float
    frames_per_second: float


def run(
    trained: Trained, cases: Sequence[Case], *, streams: int, frames: int, slots: int, turns: int
) -> list[Speed]:
    """Measures all cases in turns.

    Args:
        trained: the model.
        cases: what is timed.
        streams: of the engine; the first of them is the single camera.
        frames: of each stream.
        slots: of the engine.
        turns: how often each case is timed.
    """
    videos = streams_to_test(open_dataset(trained.config).test, streams, frames)
    shown = np.stack([np.asarray(video["frames"]) for video in videos])
    timed = [
        (_OneCamera(trained, case, shown[0]), _Many(trained, case, shown, slots)) for case in cases
    ]
    for one, many in timed:  # compiles
        one()
        many()
    seconds = np.array(
        [[[_seconds(one), _seconds(many)] for one, many in timed] for _ in range(turns)]
    )
    alone, together = np.median(seconds, 0).T
    return [
        Speed(
            case.name,
            many.steps,
            float(1e3 * alone[n] / frames),
            float(streams * frames / together[n]),
        )
        for n, (case, (_, many)) in enumerate(zip(cases, timed))
    ]


class _OneCamera:
    """A stream frame by frame."""

    def __init__(self, trained: Trained, case: Case, frames: np.ndarray) -> None:
        self._model, self._case, self._frames = trained.model, case, frames
        self._prepared = prepare(trained.model, trained.variables, frames.shape[1:3])

    def __call__(self) -> None:
        state = self._model.initial_state(1, self._frames.shape[1:3])
        for frame in self._frames:
            state, out = run_frame(
                self._model,
                self._prepared,
                state,
                frame[None],
                self._case.policy,
                stateful=self._case.stateful,
            )
            np.asarray(out.logits)


class _Many:
    """All frames of all streams, which wait from the start."""

    def __init__(self, trained: Trained, case: Case, frames: np.ndarray, slots: int) -> None:
        self._frames, self.steps = frames, float("nan")
        self._engine: StreamEngine = trained.engine(
            case.policy,
            frames.shape[2:4],
            slots=slots,
            max_streams=len(frames),
            queue=_UNBOUNDED,
            stateful=case.stateful,
        )

    def __call__(self) -> None:
        streams = [self._engine.open() for _ in self._frames]
        for t in range(self._frames.shape[1]):
            for stream, frames in zip(streams, self._frames):
                self._engine.submit(stream, frames[t])
        self.steps = float(np.mean([result.steps for result in self._engine.results()]))
        for stream in streams:
            self._engine.close(stream)


def _seconds(call: "_OneCamera | _Many") -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def save(folder: Path, found: Sequence[Speed], settings: dict[str, int]) -> Path:
    """Writes `live_speed.json`; returns its path."""
    rows = [dataclasses.asdict(speed) for speed in found]
    return write_record(folder / FILE, [table(found)], settings=settings, speeds=rows)


def table(found: Sequence[Speed]) -> Table:
    """Returns the cases for print; the first is what the others are compared with."""
    shown = Table(title="Live streams: ms a frame of one alone, frames/s of many together")
    shown.add_column("policy", overflow="fold")
    for title in ("steps", "ms", "", "frames/s", " "):
        shown.add_column(title, justify="right", no_wrap=True)
    first = found[0]
    for speed in found:
        shown.add_row(
            speed.name,
            f"{speed.steps:.2f}",
            f"{speed.milliseconds:.2f}",
            f"{speed.milliseconds / first.milliseconds:.1f}x",
            f"{speed.frames_per_second:.0f}",
            f"1/{first.frames_per_second / speed.frames_per_second:.1f}",
        )
    return shown
