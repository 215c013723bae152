"""What an engine has done: counts, shares and latencies."""

import dataclasses
from collections import deque

import numpy as np

from rsf_jax.shown import in_a_line
from rsf_jax.streaming.streams import CUT, DONE, DROPPED, FAILED, REPEATED

_PERCENTILES = (50, 95, 99)
# Latencies are those of the last frames, so that memory is bounded.
_REMEMBERED = 20_000


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What an engine has done since it was made or `reset_statistics` was called.

    Every frame that was submitted is counted once:
    `done + cut + repeated + dropped + failed + waiting`, but for those that went to another engine
    with their stream, which counts them. Those that `submit` refused are `refused`.

    Attributes:
        ticks: calls of the compiled program.
        slot_steps: recurrent steps computed, in all slots, needed or not.
        useful_steps: recurrent steps that frames needed.
        occupancy: mean share of the slots that held a frame.
        done, cut, repeated, dropped, failed: frames by `FrameResult.status`.
        waiting: frames in queues and slots now.
        refused: frames that were not taken: of a wrong size or type, NaN, or a full queue.
        seconds: spent in ticks.
        latency: seconds from `submit` to the result of frames that were done or cut, by
            percentile 50, 95, 99; of the last 20,000 of them; empty without any.
        repeated_latency: the same of frames that were repeated.
        shadows: frames that were compared with a reference, see `Shadow`.
        disagreement: mean of what came of it; None without any.
    """

    __repr__ = in_a_line

    ticks: int
    slot_steps: int
    useful_steps: int
    occupancy: float
    done: int
    cut: int
    repeated: int
    dropped: int
    failed: int
    waiting: int
    refused: int
    seconds: float
    latency: dict[int, float]
    repeated_latency: dict[int, float]
    shadows: int = 0
    disagreement: float | None = None

    @property
    def useful_share(self) -> float:
        """Useful steps over executed ones; 0 before the first tick."""
        return self.useful_steps / self.slot_steps if self.slot_steps else 0.0


class Counter:
    """Counts for `Statistics`."""

    def __init__(self) -> None:
        self.ticks = self.slot_steps = self.useful_steps = self.loaded = self.slots = 0
        self.refused = self.shadows = 0
        self.disagreement = 0.0  # sum
        self.seconds = 0.0
        self.by_status = {DONE: 0, CUT: 0, REPEATED: 0, DROPPED: 0, FAILED: 0}
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._of_repeated: deque[float] = deque(maxlen=_REMEMBERED)

    def count_tick(self, slots: int, loaded: int, steps: int, useful: int, seconds: float) -> None:
        """Counts a tick of `steps` steps in `slots` slots, of which `loaded` held a frame."""
        self.ticks += 1
        self.slots += slots
        self.loaded += loaded
        self.slot_steps += slots * steps
        self.useful_steps += useful
        self.seconds += seconds

    def count_result(self, status: str, seconds: float) -> None:
        """Counts what became of a frame."""
        self.by_status[status] += 1
        if status in (DONE, CUT):
            self._latencies.append(seconds)
        elif status == REPEATED:
            self._of_repeated.append(seconds)

    def count_shadow(self, loss: float) -> None:
        """Counts a shadow frame and what came of it."""
        self.shadows += 1
        self.disagreement += loss

    def statistics(self, waiting: int, held: int) -> Statistics:
        """Returns what was counted.

        Args:
            waiting: frames in queues and slots.
            held: frames that were dropped behind one at work, whose result comes first.
        """
        by_status = self.by_status | {DROPPED: self.by_status[DROPPED] + held}
        return Statistics(
            ticks=self.ticks,
            slot_steps=self.slot_steps,
            useful_steps=self.useful_steps,
            occupancy=self.loaded / self.slots if self.slots else 0.0,
            waiting=waiting,
            refused=self.refused,
            seconds=self.seconds,
            latency=_percentiles(self._latencies),
            repeated_latency=_percentiles(self._of_repeated),
            shadows=self.shadows,
            disagreement=self.disagreement / self.shadows if self.shadows else None,
            **by_status,
        )


def _percentiles(seconds: deque[float]) -> dict[int, float]:
    if not seconds:
        return {}
    return dict(zip(_PERCENTILES, np.percentile(np.array(seconds), _PERCENTILES).tolist()))
