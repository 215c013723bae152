"""What queueing theory says of frames' latencies: the same queue, played with measured times.

Nothing here computes a frame. A tick, or a batch, takes what ticks and batches took when nothing
else was measured; frames arrive when they arrived, and take the steps that they took. What comes
of it is held against the latencies that were measured.
"""

import dataclasses
import math
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import islice

import numpy as np
from scipy.optimize import linprog

from rsf_jax.streaming.tick import LONGEST

Arrivals = list[tuple[float, int]]  # seconds, and the stream's number
Sample = tuple[int, int, float]  # steps, frames that end, seconds


@dataclasses.dataclass(frozen=True)
class Service:
    """What a tick, or a batch, takes: `fixed + step * steps + frame * frames`, in seconds.

    Attributes:
        fixed: whatever it computes.
        step: of one recurrent step in all slots.
        frame: of a frame that ends, for its beginning too.
    """

    fixed: float
    step: float
    frame: float

    @classmethod
    def fitted(cls, samples: Sequence[Sample]) -> "Service":
        """Returns the times, none below 0, from which samples differ least, in the sum.

        Not in squares, of which one sample that was held up would have most.
        """
        kinds = np.array([(1, steps, frames) for steps, frames, _ in samples], float)
        seconds = np.array([seconds for *_, seconds in samples])
        # Least absolute deviations, as a linear program: what is above a sample, what is below.
        count = len(seconds)
        costs = np.r_[np.zeros(3), np.ones(2 * count)]
        off = np.eye(count)
        found = linprog(costs, A_eq=np.c_[kinds, off, -off], b_eq=seconds)
        return cls(*(float(value) for value in found.x[:3]))

    def seconds(self, steps: int, frames: int) -> float:
        """Returns what a tick of so many steps takes in which so many frames end."""
        return self.fixed + self.step * steps + self.frame * frames


def refilled(arrivals: Arrivals, steps: Sequence[int], slots: int, service: Service) -> np.ndarray:
    """Returns latencies [frames], in seconds, of an engine that refills its slots in a tick.

    Args:
        arrivals: in order.
        steps: that each frame takes.
        slots: frames computed together.
        service: what ticks take.
    """
    engine, now, arrived = _Slots(steps, slots), 0.0, 0
    queues: dict[int, deque[int]] = defaultdict(deque)  # frames without a result, by stream
    line: deque[int] = deque()  # streams that wait, in turn: each with its first frame
    latencies = np.zeros(len(arrivals))
    while arrived < len(arrivals) or line or engine.busy:
        if not (line or engine.busy):
            now = max(now, arrivals[arrived][0])
        while arrived < len(arrivals) and arrivals[arrived][0] <= now:
            row = arrivals[arrived][1]
            queues[row].append(arrived)
            if len(queues[row]) == 1:
                line.append(row)
            arrived += 1
        executed, begun, ended = engine.tick([queues[row][0] for row in islice(line, slots)])
        for _ in range(begun):
            line.popleft()
        now += service.seconds(executed, len(ended))
        for frame in ended:
            row = arrivals[frame][1]
            latencies[frame] = now - arrivals[frame][0]
            queues[row].popleft()
            if queues[row]:
                line.append(row)
    return latencies


class _Slots:
    """What is at work: the frame in each slot, and how many steps it has left."""

    def __init__(self, steps: Sequence[int], count: int) -> None:
        self._steps = steps
        self._held: list[int | None] = [None] * count
        self._left = [0] * count

    @property
    def busy(self) -> bool:
        """Whether there is a frame."""
        return any(frame is not None for frame in self._held)

    def tick(self, frames: Sequence[int]) -> tuple[int, int, list[int]]:
        """Advances all slots, which new frames enter in turn; returns steps, begun and ended."""
        executed, begun = 0, 0
        ended: list[int] = []
        while True:
            begun += self._fill(frames[begun:])
            more = begun < len(frames) and executed < LONGEST
            if not self.busy or (executed and not more):
                return executed, begun, ended
            executed += 1
            ended += self._step()

    def _fill(self, frames: Sequence[int]) -> int:
        """Gives free slots the first of some frames; returns how many."""
        free = [slot for slot, frame in enumerate(self._held) if frame is None]
        for slot, frame in zip(free, frames):
            self._held[slot], self._left[slot] = frame, max(self._steps[frame], 1)
        return min(len(free), len(frames))

    def _step(self) -> list[int]:
        """Makes a step in all slots; returns the frames that end with it."""
        self._left = [left - 1 for left in self._left]
        ended = []
        for slot, frame in enumerate(self._held):
            if frame is not None and not self._left[slot]:
                ended.append(frame)
                self._held[slot] = None
        return ended


def lock_step(arrivals: Arrivals, steps: Sequence[int], slots: int, service: Service) -> np.ndarray:
    """Returns latencies [frames] of batches that wait for their slowest frame; see `refilled`."""
    waiting: list[int] = []
    latencies, now, next_arrival = np.zeros(len(arrivals)), 0.0, 0
    while next_arrival < len(arrivals) or waiting:
        while next_arrival < len(arrivals) and arrivals[next_arrival][0] <= now:
            waiting.append(next_arrival)
            next_arrival += 1
        if not waiting:
            now = arrivals[next_arrival][0]
            continue
        chosen: dict[int, int] = {}
        for frame in waiting:
            if arrivals[frame][1] not in chosen and len(chosen) < slots:
                chosen[arrivals[frame][1]] = frame
        batch = list(chosen.values())
        waiting = [frame for frame in waiting if frame not in batch]
        now += service.seconds(max(steps[frame] for frame in batch), len(batch))
        for frame in batch:
            latencies[frame] = now - arrivals[frame][0]
    return latencies


def mean_latency(rate: float, steps: np.ndarray, servers: int, capacity: float) -> float:
    """Returns the mean latency of a queue M/G/c in seconds, by Allen's and Cunneen's formula.

    A frame is served by a slot for as long as its steps take where all slots are busy.

    Args:
        rate: arrivals in a second.
        steps: of frames.
        servers: slots, c.
        capacity: frames a second that all slots can do.

    Returns:
        Infinity where more arrive than can be served.
    """
    load = rate / capacity
    if load >= 1:
        return math.inf
    spread = float(np.var(steps) / np.mean(steps) ** 2)
    waiting = _must_wait(servers, load) / (capacity - rate) * (1 + spread) / 2
    return servers / capacity + waiting


def _must_wait(servers: int, load: float) -> float:
    """The probability that a frame finds all of the servers busy (Erlang's C)."""
    offered, blocked = load * servers, 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1 - load * (1 - blocked))
