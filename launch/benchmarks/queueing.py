"""What queueing theory says of frames' latencies: the same queue, played with measured times.

Nothing here computes a frame. A tick, or a batch, takes what ticks and batches took when nothing
else was measured; frames arrive when they arrived, and take the steps that they took. What comes
of it is held against the latencies that were measured.
"""

import dataclasses
import itertools
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import numpy as np

LONGEST = 32  # steps of a tick while frames wait, see docs/decisions/0020-streaming.md

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
    def fitted(cls, samples: Iterable[Sample]) -> "Service":
        """Returns the times that explain samples best; of equal ones the median counts."""
        alike: dict[tuple[int, int], list[float]] = defaultdict(list)
        for steps, frames, seconds in samples:
            alike[steps, frames].append(seconds)
        kinds = np.array([(1, *kind) for kind in alike], float)
        medians = np.array([np.median(seconds) for seconds in alike.values()])
        weights = np.sqrt([len(seconds) for seconds in alike.values()])
        found = np.linalg.lstsq(kinds * weights[:, None], medians * weights, rcond=None)[0]
        return cls(*(max(float(value), 0.0) for value in found))

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
    queues: dict[int, deque[int]] = defaultdict(deque)  # numbers of frames, by stream
    line: list[tuple[int, int]] = []  # turn and stream, of those that wait
    turns, held = itertools.count(), [-1] * slots
    left, latencies = np.maximum(np.array(steps), 1), np.zeros(len(arrivals))
    working: set[int] = set()  # streams with a frame at work
    now, next_arrival = 0.0, 0
    while next_arrival < len(arrivals) or line or working:
        while next_arrival < len(arrivals) and arrivals[next_arrival][0] <= now:
            row = arrivals[next_arrival][1]
            queues[row].append(next_arrival)
            next_arrival += 1
            if row not in working and len(queues[row]) == 1:
                line.append((next(turns), row))
        if not line and not working:
            now = arrivals[next_arrival][0]
            continue
        line.sort()
        taken, line = line[:slots], line[slots:]
        ended, begun, executed = [], 0, 0
        while True:
            for slot in (s for s in range(slots) if held[s] < 0 and begun < len(taken)):
                row = taken[begun][1]
                held[slot], begun = queues[row].popleft(), begun + 1
                working.add(row)
            more = begun < len(taken) and executed < LONGEST
            if max(held) < 0 or (executed >= 1 and not more):
                break
            executed += 1
            for slot in (s for s in range(slots) if held[s] >= 0):
                left[held[slot]] -= 1
                if not left[held[slot]]:
                    ended.append(held[slot])
                    held[slot] = -1
        now += service.seconds(executed, len(ended))
        line += taken[begun:]  # those that have not begun keep their turns
        for frame in ended:
            row = arrivals[frame][1]
            latencies[frame] = now - arrivals[frame][0]
            working.discard(row)
            if queues[row]:
                line.append((next(turns), row))
    return latencies


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
