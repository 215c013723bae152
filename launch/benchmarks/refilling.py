"""The engine and lock-step batches, on the same frames and the same arrivals."""

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks import queueing
from benchmarks.lock_step import LockStep
from benchmarks.queueing import Arrivals, Sample, Service
from rsf_jax.models.base import Prepared, VideoModel
from rsf_jax.policies import StepPolicy
from rsf_jax.streaming import StreamEngine

ENGINE, LOCK_STEP = "refilled", "lock-step"
PERCENTILES = (50, 95, 99)
_CALIBRATIONS = 20  # times that a tick of each kind is timed
# Frames of a stream that may wait in front of both: the load decides how many do.
_UNBOUNDED = 1_000_000

Outcome = tuple[np.ndarray, int]  # logits [H, W, K] and steps of a frame
Served = tuple[np.ndarray, np.ndarray]  # seconds from arrival to result, and steps, of all frames


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
        slowest, fastest: frames per second of turns.
    """

    name: str
    frames_per_second: float
    useful_share: float
    mean_steps: float
    streams: int
    memory_mb: float = 0.0
    slowest: float = 0.0
    fastest: float = 0.0


@dataclasses.dataclass(frozen=True)
class Gain:
    """What refilling gains over lock-step.

    Attributes:
        ratio: of frames per second in a turn, median of turns.
        least, most: of turns.
        bound: the mean of a batch's most steps over the mean of all steps: what would be gained
            if there were nothing but steps, and no slot ever idle.
        difference: the largest between logits of both.
        other_steps: share of the frames whose steps differ: those with a ratio at the threshold.
    """

    ratio: float
    least: float
    most: float
    bound: float
    difference: float
    other_steps: float


@dataclasses.dataclass(frozen=True)
class Latency:
    """Frames arrive at random, as a Poisson process.

    Attributes:
        name: `ENGINE` or `LOCK_STEP`.
        load: arrivals over the engine's throughput.
        frames: that arrived, in all rounds.
        milliseconds: from arrival to result, by percentile: the median of rounds.
        lowest, highest: of rounds.
        expected: the same of the queue that `queueing` plays, for the same arrivals.
        mean: milliseconds, of all frames.
        expected_mean: of the queue that is played.
        mgc_mean: of the engine, by the formula for M/G/c; 0 for lock-step, which is none.
    """

    name: str
    load: float
    frames: int
    milliseconds: dict[int, float]
    lowest: dict[int, float]
    highest: dict[int, float]
    expected: dict[int, float]
    mean: float
    expected_mean: float
    mgc_mean: float


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

    def gain(self, videos: np.ndarray, turns: int) -> tuple[list[Throughput], Gain]:
        """Measures both in turns; all frames wait from the start."""
        kinds = {ENGINE: self._engine_turn, LOCK_STEP: self._lock_step_turn}
        found, expected = (turn(videos) for turn in kinds.values())  # warm
        seconds: dict[str, list[float]] = {name: [] for name in kinds}
        self.engine.reset_statistics()
        self.lock_step.reset()
        for _ in range(turns):
            for name, turn in kinds.items():
                seconds[name].append(_seconds(partial(turn, videos)))
        counted, count = self.engine.statistics(), videos.shape[0] * videos.shape[1]
        shares = {
            ENGINE: counted.useful_share,
            LOCK_STEP: self.lock_step.useful_steps / self.lock_step.slot_steps,
        }
        steps = counted.useful_steps / (counted.done + counted.repeated)
        throughput = [
            Throughput(
                name,
                count / float(np.median(of)),
                shares[name],
                steps,
                len(videos),
                slowest=count / max(of),
                fastest=count / min(of),
            )
            for name, of in seconds.items()
        ]
        ratios = np.array(seconds[LOCK_STEP]) / np.array(seconds[ENGINE])
        return throughput, Gain(
            float(np.median(ratios)),
            float(ratios.min()),
            float(ratios.max()),
            self._bound(expected, len(videos)),
            *_differences(found, expected),
        )

    def _bound(self, outcomes: dict[tuple[int, int], Outcome], streams: int) -> float:
        """What refilling could gain of steps alone, of the batches that lock-step makes."""
        steps = np.zeros((streams, 1 + max(t for _, t in outcomes)), np.int64)
        for place, (_, count) in outcomes.items():
            steps[place] = count
        batches = [steps[n : n + self._slots] for n in range(0, streams, self._slots)]
        executed = sum(len(batch) * batch.max(0).sum() for batch in batches)
        return float(executed / steps.sum())

    def services(self, videos: np.ndarray) -> dict[str, Service]:
        """Measures what ticks and batches take, of few frames and of many."""
        samples: dict[str, list[Sample]] = {ENGINE: [], LOCK_STEP: []}
        counts = sorted({1, max(self._slots // 2, 1), self._slots, len(videos)})
        frames = _Frames(videos)
        for _ in range(_CALIBRATIONS):
            for count in counts:
                samples[ENGINE] += self._ticks(frames, count)
                samples[LOCK_STEP].append(self._batch(frames, min(count, self._slots)))
        self.lock_step.restart()
        return {name: Service.fitted(found) for name, found in samples.items()}

    def _ticks(self, frames: "_Frames", count: int) -> list[Sample]:
        """Ticks in which one frame of each of so many streams is computed."""
        streams = [self.engine.open(str(row)) for row in range(count)]
        for row, stream in enumerate(streams):
            self.engine.submit(stream, frames.next(row))
        samples, busy, before = [], True, self.engine.statistics()
        while busy:
            began = time.perf_counter()
            busy = self.engine.tick()
            self.engine.poll()
            seconds, now = time.perf_counter() - began, self.engine.statistics()
            executed = (now.slot_steps - before.slot_steps) // self._slots
            answered = now.done + now.repeated - before.done - before.repeated
            samples.append((executed, answered, seconds))
            before = now
        for stream in streams:
            self.engine.close(stream)
        return samples[:-1]  # the last one found nothing to do

    def _batch(self, frames: "_Frames", count: int) -> Sample:
        rows = np.arange(count, dtype=np.int32)
        shown = np.stack([frames.next(row) for row in range(count)])
        began = time.perf_counter()
        _, steps = self.lock_step(rows, shown)
        return int(steps.max()), count, time.perf_counter() - began

    def latency(
        self,
        videos: np.ndarray,
        load: float,
        capacity: float,
        seconds: float,
        rounds: int,
        services: dict[str, Service],
    ) -> list[Latency]:
        """Measures both on the same arrivals: `load * capacity` a second, of streams at random.

        Args:
            videos: frames of streams.
            load: arrivals over throughput.
            capacity: the engine's throughput, frames per second.
            seconds: of all rounds together.
            rounds: in each, both serve other arrivals, in turns.
            services: what `services` has found.
        """
        kinds: dict[str, tuple[Callable[..., Served], Callable[..., np.ndarray]]] = {
            ENGINE: (self._engine_serve, queueing.refilled),
            LOCK_STEP: (self._lock_step_serve, queueing.lock_step),
        }
        rate, rng = load * capacity, np.random.default_rng(0)
        measured: dict[str, list[np.ndarray]] = {name: [] for name in kinds}
        expected: dict[str, list[np.ndarray]] = {name: [] for name in kinds}
        all_steps: list[np.ndarray] = []
        for _ in range(rounds):
            count = max(int(rate * seconds / rounds), 1)
            times = rng.exponential(1 / rate, count).cumsum()
            arrivals = list(zip(times.tolist(), rng.integers(len(videos), size=count).tolist()))
            for name, (serve, play) in kinds.items():
                latencies, steps = serve(videos, arrivals)
                measured[name].append(1e3 * latencies)
                expected[name].append(
                    1e3 * play(arrivals, steps.tolist(), self._slots, services[name])
                )
                all_steps.append(steps)
        mgc = queueing.mean_latency(rate, np.concatenate(all_steps), self._slots, capacity)
        return [
            _latency(name, load, measured[name], expected[name], 1e3 * mgc * (name == ENGINE))
            for name in kinds
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

    def _engine_serve(self, videos: np.ndarray, arrivals: Arrivals) -> Served:
        """Serves frames as they arrive."""
        frames, due = _Frames(videos), _Due(arrivals)
        latencies, steps = np.zeros(len(arrivals)), np.zeros(len(arrivals), np.int64)
        streams = [self.engine.open(str(row)) for row in range(len(videos))]
        left, number = len(arrivals), 0
        while left:
            for _, row in due.pop():
                self.engine.submit(streams[row], frames.next(row), tag=number)
                number += 1
            if not self.engine.tick():
                due.wait()
            now = due.now()
            for result in self.engine.poll():
                latencies[result.tag] = now - arrivals[result.tag][0]
                steps[result.tag] = result.steps
                left -= 1
        for stream in streams:
            self.engine.close(stream)
        return latencies, steps

    def _lock_step_serve(self, videos: np.ndarray, arrivals: Arrivals) -> Served:
        self.lock_step.restart()
        frames, due = _Frames(videos), _Due(arrivals)
        latencies, steps = np.zeros(len(arrivals)), np.zeros(len(arrivals), np.int64)
        waiting: list[tuple[int, int]] = []  # numbers and streams
        left, number = len(arrivals), 0
        while left:
            for _, row in due.pop():
                waiting.append((number, row))
                number += 1
            if not waiting:
                due.wait()
                continue
            # The oldest frame of each stream.
            chosen: dict[int, int] = {}
            for arrived, row in waiting:
                if row not in chosen and len(chosen) < self._slots:
                    chosen[row] = arrived
            waiting = [w for w in waiting if chosen.get(w[1]) != w[0]]
            rows = np.array(list(chosen), np.int32)
            found = self.lock_step(rows, np.stack([frames.next(row) for row in chosen]))[1]
            now = due.now()
            for arrived, count in zip(chosen.values(), found):
                latencies[arrived], steps[arrived] = now - arrivals[arrived][0], count
            left -= len(chosen)
        return latencies, steps


def _latency(
    name: str, load: float, measured: list[np.ndarray], expected: list[np.ndarray], mgc: float
) -> Latency:
    of_rounds, played = (
        np.array([np.percentile(found, PERCENTILES) for found in rounds])
        for rounds in (measured, expected)
    )

    def by_percentile(values: np.ndarray) -> dict[int, float]:
        return dict(zip(PERCENTILES, values.tolist()))

    return Latency(
        name,
        load,
        sum(map(len, measured)),
        by_percentile(np.median(of_rounds, 0)),
        by_percentile(of_rounds.min(0)),
        by_percentile(of_rounds.max(0)),
        by_percentile(np.median(played, 0)),
        float(np.concatenate(measured).mean()),
        float(np.concatenate(expected).mean()),
        mgc,
    )


def _differences(
    found: dict[tuple[int, int], Outcome], expected: dict[tuple[int, int], Outcome]
) -> tuple[float, float]:
    """The largest difference of logits, and the share of frames of other steps."""
    same = [found[key][1] == expected[key][1] for key in expected]
    differences = [
        float(np.abs(found[key][0] - expected[key][0]).max())
        for key, equal in zip(expected, same)
        if equal
    ]
    return max(differences), 1 - float(np.mean(same))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


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
