"""How long cameras wait for an engine that computes: they should not."""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rsf_jax as rsf
from rsf_jax.streaming import StreamEngine
from rsf_jax.streaming.streams import Stream
from rsf_jax.trained.model import Trained

THREADS = 8
TICK_SECONDS = (0.05, 0.2)
CALLS = ("submit", "has_room", "statistics")
_RATE = 20.0  # frames a second of each camera
_WARM = 3  # ticks before one is timed


@dataclasses.dataclass(frozen=True)
class Wait:
    """What a call of a camera's thread takes while another thread computes.

    Attributes:
        call: the engine's method.
        tick_milliseconds: median duration of a tick meanwhile.
        calls: number of calls.
        milliseconds: of a call: median, 99th percentile and longest.
    """

    call: str
    tick_milliseconds: float
    calls: int
    milliseconds: tuple[float, float, float]


def measure(
    trained: Trained,
    videos: np.ndarray,
    slots: int,
    seconds: float,
    tick_seconds: Sequence[float] = TICK_SECONDS,
) -> list[Wait]:
    """Returns how long calls take at ticks of several lengths.

    Args:
        trained: the model.
        videos: uint8 [streams, T, H, W, I]; their frames are sent again and again.
        slots: frames computed together.
        seconds: of each length.
        tick_seconds: the lengths, about.
    """
    step_seconds = _step_seconds(trained, videos, slots)
    found = []
    for length in tick_seconds:
        engine = _engine(trained, videos, slots, max(1, round(length / step_seconds)))
        found += _waits(_Cameras(engine, videos), seconds)
    return found


def _engine(trained: Trained, videos: np.ndarray, slots: int, steps: int) -> StreamEngine:
    """An engine whose every frame takes one tick of `steps` recurrent steps."""
    return trained.engine(
        rsf.FixedSchedule(steps, steps),
        videos.shape[2:4],
        slots=slots,
        max_streams=THREADS,
        steps_per_tick=steps,
        when_full="drop_oldest",
    )


def _step_seconds(trained: Trained, videos: np.ndarray, slots: int) -> float:
    steps = 10
    cameras = _Cameras(_engine(trained, videos, slots, steps), videos)
    ticks = [cameras.fill_and_tick() for _ in range(2 * _WARM)]
    return float(np.median(ticks[_WARM:])) / steps


def _waits(cameras: "_Cameras", seconds: float) -> list[Wait]:
    ticks = cameras.run(seconds)
    milliseconds = {name: 1e3 * np.array(took) for name, took in cameras.took.items()}
    return [
        Wait(
            name,
            1e3 * float(np.median(ticks)),
            len(took),
            (float(np.median(took)), float(np.percentile(took, 99)), float(took.max())),
        )
        for name, took in milliseconds.items()
    ]


class _Cameras:
    """Threads that submit, and the one that computes."""

    def __init__(self, engine: StreamEngine, videos: np.ndarray) -> None:
        self._engine, self._videos = engine, videos
        self._streams = [engine.open() for _ in range(THREADS)]
        self._stop = threading.Event()
        self.took: dict[str, list[float]] = {name: [] for name in CALLS}

    def fill_and_tick(self) -> float:
        """Gives every stream a frame and computes; returns the seconds of the tick."""
        for row, stream in enumerate(self._streams):
            self._engine.submit(stream, self._frame(row, 0))
        began = time.perf_counter()
        self._engine.tick()
        took = time.perf_counter() - began
        self._engine.poll()
        return took

    def run(self, seconds: float) -> list[float]:
        """Lets all of them work; returns the seconds of each tick that had something to do."""
        threads = [
            threading.Thread(target=self._camera, args=(row, stream))
            for row, stream in enumerate(self._streams)
        ]
        for thread in threads:
            thread.start()
        ticks, end = [], time.perf_counter() + seconds
        try:
            while (began := time.perf_counter()) < end:
                if self._engine.tick():
                    ticks.append(time.perf_counter() - began)
                self._engine.poll()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        return ticks

    def _camera(self, row: int, stream: Stream) -> None:
        calls: dict[str, Callable[[int], Any]] = {
            "submit": lambda t: self._engine.submit(stream, self._frame(row, t)),
            "has_room": lambda _: self._engine.has_room(stream),
            "statistics": lambda _: self._engine.statistics(),
        }
        t = 0
        while not self._stop.wait(1 / _RATE):
            for name, call in calls.items():
                began = time.perf_counter()
                call(t)
                self.took[name].append(time.perf_counter() - began)
            t += 1

    def _frame(self, row: int, t: int) -> np.ndarray:
        video = self._videos[row % len(self._videos)]
        return video[t % len(video)]
