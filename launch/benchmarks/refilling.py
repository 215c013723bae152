"""The engine and lock-step batches, on the same frames and the same arrivals."""

import dataclasses
import time
from collections import deque

import numpy as np

from benchmarks.lock_step import LockStep
from rsf_jax.models.base import Prepared, VideoModel
from rsf_jax.policies import StepPolicy
from rsf_jax.streaming import StreamEngine

ENGINE, LOCK_STEP = "refilled", "lock-step"
PERCENTILES = (50, 95, 99)
_TURNS = 3
# Frames of a stream that may wait in front of both: the load decides how many do.
_UNBOUNDED = 1_000_000

Outcome = tuple[np.ndarray, int]  # logits [H, W, K] and steps of a frame
Arrivals = list[tuple[float, int]]  # seconds, and the stream's number


@dataclasses.dataclass(frozen=True)
class Throughput:
    """All streams have frames waiting.

    Attributes:
        name: `ENGINE` or `LOCK_STEP`.
        frames_per_second: the median of several turns.
        useful_share: steps that frames needed over those that were computed.
        mean_steps: of a frame.
        streams: number of streams.
        memory_mb: by which the process's peak grew; 0 if it did not.
    """

    name: str
    frames_per_second: float
    useful_share: float
    mean_steps: float
    streams: int
    memory_mb: float = 0.0


@dataclasses.dataclass(frozen=True)
class Latency:
    """Frames arrive at random, as a Poisson process.

    Attributes:
        name: `ENGINE` or `LOCK_STEP`.
        load: arrivals over the engine's throughput.
        frames: that arrived.
        milliseconds: from arrival to result, by percentile.
    """

    name: str
    load: float
    frames: int
    milliseconds: dict[int, float]


class Pair:
    """The engine and the lock-step batches of one model.

    Args:
        model: the model.
        prepared: its prepared variables.
        policy: when frames end.
        slots: frames computed together.
        streams: that send frames.
    """

    def __init__(
        self, model: VideoModel, prepared: Prepared, policy: StepPolicy, slots: int, streams: int
    ) -> None:
        self._slots = slots
        self.engine = StreamEngine(
            model,
            prepared,
            policy,
            prepared.frame_shape,
            slots=slots,
            max_streams=streams,
            queue=_UNBOUNDED,
        )
        self.lock_step = LockStep(model, prepared, policy, slots, streams)

    def compare(self, videos: np.ndarray) -> tuple[float, float]:
        """Returns the largest difference of logits, and the share of frames of other steps."""
        found, expected = self._engine_turn(videos), self._lock_step_turn(videos)
        same = [found[key][1] == expected[key][1] for key in expected]
        differences = [
            float(np.abs(found[key][0] - expected[key][0]).max())
            for key, equal in zip(expected, same)
            if equal
        ]
        return max(differences), 1 - float(np.mean(same))

    def throughput(self, videos: np.ndarray) -> list[Throughput]:
        """Measures both in turns; all frames wait from the start."""
        seconds: dict[str, list[float]] = {ENGINE: [], LOCK_STEP: []}
        self.engine.reset_statistics()
        self.lock_step.reset()
        for _ in range(_TURNS):
            for name, turn in ((ENGINE, self._engine_turn), (LOCK_STEP, self._lock_step_turn)):
                began = time.perf_counter()
                turn(videos)
                seconds[name].append(time.perf_counter() - began)
        counted, count = self.engine.statistics(), videos.shape[0] * videos.shape[1]
        shares = {
            ENGINE: counted.useful_share,
            LOCK_STEP: self.lock_step.useful_steps / self.lock_step.slot_steps,
        }
        steps = counted.useful_steps / (counted.done + counted.repeated)
        return [
            Throughput(name, count / float(np.median(of)), shares[name], steps, len(videos))
            for name, of in seconds.items()
        ]

    def latency(
        self, videos: np.ndarray, load: float, capacity: float, seconds: float
    ) -> list[Latency]:
        """Measures both on the same arrivals: `load * capacity` a second, of streams at random."""
        rng = np.random.default_rng(0)
        count = max(int(load * capacity * seconds), 1)
        times = rng.exponential(1 / (load * capacity), count).cumsum()
        arrivals = list(zip(times.tolist(), rng.integers(len(videos), size=count).tolist()))
        return [
            Latency(
                name,
                load,
                count,
                dict(
                    zip(
                        PERCENTILES,
                        (1e3 * np.percentile(serve(videos, arrivals), PERCENTILES)).tolist(),
                    )
                ),
            )
            for name, serve in ((ENGINE, self._engine_serve), (LOCK_STEP, self._lock_step_serve))
        ]

    def _engine_turn(self, videos: np.ndarray) -> dict[tuple[int, int], Outcome]:
        streams = [self.engine.open(str(row)) for row in range(len(videos))]
        for t in range(videos.shape[1]):
            for stream, video in zip(streams, videos):
                self.engine.submit(stream, video[t])
        results = {(int(r.stream), r.index): (r.outputs, r.steps) for r in self.engine.results()}
        for stream in streams:
            self.engine.close(stream)
        return results

    def _lock_step_turn(self, videos: np.ndarray) -> dict[tuple[int, int], Outcome]:
        self.lock_step.restart()
        results: dict[tuple[int, int], Outcome] = {}
        for t in range(videos.shape[1]):
            for first in range(0, len(videos), self._slots):
                rows = np.arange(first, min(first + self._slots, len(videos)))
                logits, steps = self.lock_step(rows.astype(np.int32), videos[rows, t])
                results |= {(int(row), t): (logits[i], int(steps[i])) for i, row in enumerate(rows)}
        return results

    def _engine_serve(self, videos: np.ndarray, arrivals: Arrivals) -> list[float]:
        """Serves frames as they arrive; seconds from arrival to result."""
        frames, due = _Frames(videos), _Due(arrivals)
        latencies: list[float] = []
        streams = [self.engine.open(str(row)) for row in range(len(videos))]
        arrived: dict[tuple[str, int], float] = {}
        while len(latencies) < len(arrivals):
            for at, row in due.pop():
                index = self.engine.submit(streams[row], frames.next(row))
                arrived[str(row), index] = at
            if not self.engine.tick():
                due.wait()
            now = due.now()
            latencies += [now - arrived.pop((r.stream, r.index)) for r in self.engine.poll()]
        for stream in streams:
            self.engine.close(stream)
        return latencies

    def _lock_step_serve(self, videos: np.ndarray, arrivals: Arrivals) -> list[float]:
        self.lock_step.restart()
        frames, due = _Frames(videos), _Due(arrivals)
        latencies: list[float] = []
        waiting: list[tuple[float, int]] = []
        while len(latencies) < len(arrivals):
            waiting += due.pop()
            if not waiting:
                due.wait()
                continue
            # The oldest frame of each stream.
            chosen: dict[int, float] = {}
            for at, row in waiting:
                if row not in chosen and len(chosen) < self._slots:
                    chosen[row] = at
            waiting = [w for w in waiting if chosen.get(w[1]) != w[0]]
            rows = np.array(list(chosen), np.int32)
            self.lock_step(rows, np.stack([frames.next(row) for row in chosen]))
            now = due.now()
            latencies += [now - at for at in chosen.values()]
        return latencies


class _Frames:
    """The frames of each stream, over and over."""

    def __init__(self, videos: np.ndarray) -> None:
        self._videos, self._next = videos, [0] * len(videos)

    def next(self, row: int) -> np.ndarray:
        index, self._next[row] = self._next[row], self._next[row] + 1
        return self._videos[row, index % self._videos.shape[1]]


class _Due:
    """Arrivals on a clock that starts now."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = deque(arrivals)
        self._began = time.perf_counter()

    def now(self) -> float:
        return time.perf_counter() - self._began

    def pop(self) -> Arrivals:
        """Takes what has arrived."""
        found, now = [], self.now()
        while self._arrivals and self._arrivals[0][0] <= now:
            found.append(self._arrivals.popleft())
        return found

    def wait(self) -> None:
        """Sleeps until the next one."""
        if self._arrivals:
            time.sleep(max(self._arrivals[0][0] - self.now(), 0))
