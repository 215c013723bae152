"""What is known of one video: its queue, its results, and how it ends."""

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rsf_jax.errors import InputError

WHEN_FULL = ("block", "drop_oldest", "error")
DONE, CUT, REPEATED = "done", "cut", "repeated"
DROPPED, FAILED = "dropped", "failed"


@dataclasses.dataclass(frozen=True)
class FrameResult:
    """What became of one frame.

    Attributes:
        stream: name of its stream.
        index: number of the frame in its stream, from 0.
        status: "done": the policy ended it. "cut": it was read out where it was, because its time
            was up. "repeated": the policy gave it no step, and the result is the one before again.
            "dropped": it was never begun. "failed": its state became NaN or infinite.
        outputs: logits [H, W, K], or what the engine's `transform` made of them, NumPy arrays;
            None for a frame that was dropped or failed.
        steps: recurrent steps spent.
        seconds: from `submit` to the result.
        reason: why it was dropped or failed; empty otherwise.
    """

    stream: str
    index: int
    status: str
    outputs: Any
    steps: int
    seconds: float
    reason: str = ""


_NO_FRAME = np.zeros(0, np.float32)

OnResult = Callable[[FrameResult], None]


@dataclasses.dataclass
class Waiting:
    """A frame in a queue or in a slot.

    Attributes:
        index: its number in the stream.
        frame: uint8 or float32 [H, W, I], until it is in a slot.
        submitted: seconds on the engine's clock.
        deadline: when it has to be read out; None for never.
        first: whether it begins a video.
        in_shadow: whether it is to get a shadow, and has none yet.
    """

    index: int
    frame: np.ndarray
    submitted: float
    deadline: float | None
    first: bool
    in_shadow: bool = False


class Stream:
    """One video. `StreamEngine.open` makes it; users hand it back to the engine.

    Attributes:
        name: as in the results.
        row: where its state is stored.
        budget: seconds from `submit` to the result; None for any.
        when_full: what happens to another frame when as many wait as may.
        on_result: called with each result, in order; None to leave them to `results`.
        closed: whether it takes no more frames.
        failure: why it takes no more frames; empty unless it failed.
        submitted: frames taken so far.
        queue: frames that wait.
        begins: whether the next frame that is submitted begins a video.
        outputs: of the last frame that was read out, for those that repeat it; None if there was
            none, or none is asked for.
    """

    def __init__(
        self,
        name: str,
        row: int,
        budget: float | None,
        when_full: str,
        on_result: OnResult | None,
    ) -> None:
        self.name, self.row, self.budget, self.on_result = name, row, budget, on_result
        self.when_full = when_full
        self.closed, self.failure, self.submitted = False, "", 0
        self.begins = True
        self.outputs: Any = None
        self.queue: deque[Waiting] = deque()
        self._current: Waiting | None = None  # in a slot
        # Results of later frames than the current one.
        self._held: list[FrameResult] = []

    def check_takes(self) -> None:
        """Raises InputError unless it takes another frame."""
        if self.failure:
            raise InputError(f"{self.failure}; close it and open another")
        if self.closed:
            raise InputError("it is closed, and takes no more frames")

    def put(self, frame: np.ndarray, now: float) -> int:
        """Queues a frame, and returns its number."""
        index, deadline = self.submitted, None if self.budget is None else now + self.budget
        self.queue.append(Waiting(index, frame, now, deadline, self.begins))
        self.submitted, self.begins = index + 1, False
        return index

    def begin(self) -> tuple[np.ndarray, bool]:
        """Moves the oldest waiting frame to a slot; returns it, and whether it begins a video."""
        self._current = self.queue.popleft()
        frame, self._current.frame = self._current.frame, _NO_FRAME
        return frame, self._current.first

    def is_due(self, then: float) -> bool:
        """Whether the frame in the slot has to be read out before a time."""
        deadline = self._current.deadline if self._current else None
        return deadline is not None and deadline < then

    def drop(self, reason: str, now: float) -> list[FrameResult]:
        """Drops the oldest waiting frame; the results that are due, in order."""
        dropped = self.queue.popleft()
        if dropped.first and self.queue:
            self.queue[0].first = True
        elif dropped.first:
            self.begins = True
        result = self._result(dropped, DROPPED, now, reason=reason)
        if self._current is None:
            return [result]
        self._held.append(result)
        return []

    @property
    def may_repeat(self) -> bool:
        """Whether the oldest waiting frame could be answered by the outputs of the one before."""
        return self.outputs is not None and not self.queue[0].first

    def repeat(self, now: float) -> FrameResult:
        """Answers the oldest waiting frame by the outputs of the one before."""
        # A copy, or who writes to one would write to all.
        outputs = jax.tree.map(np.copy, self.outputs)
        return self._result(self.queue.popleft(), REPEATED, now, outputs)

    def end(
        self, status: str, now: float, outputs: Any, steps: int, reason: str = ""
    ) -> list[FrameResult]:
        """Ends the frame in the slot; the results that are due, in order.

        With a failure, all frames that wait are dropped.
        """
        if self._current is None:
            raise RuntimeError(f"{self} has no frame in a slot")
        ended, self._current = self._current, None
        due = [self._result(ended, status, now, outputs, steps, reason), *self._held]
        self._held = []
        if status == FAILED:
            self.failure = f"it failed at frame {ended.index}: {reason}"
            while self.queue:
                due += self.drop(self.failure, now)
        return due

    def _result(
        self,
        waiting: Waiting,
        status: str,
        now: float,
        outputs: Any = None,
        steps: int = 0,
        reason: str = "",
    ) -> FrameResult:
        seconds = now - waiting.submitted
        return FrameResult(self.name, waiting.index, status, outputs, steps, seconds, reason)

    def take_shadow(self) -> bool:
        """Whether the frame in the slot, or else the oldest that waits, is due a shadow: once."""
        frame = self._current or self.queue[0]
        due, frame.in_shadow = frame.in_shadow, False
        return due

    @property
    def in_slot(self) -> bool:
        """Whether a frame is in a slot."""
        return self._current is not None

    @property
    def left(self) -> int:
        """Frames that wait or are in a slot."""
        return len(self.queue) + self.in_slot

    def __repr__(self) -> str:
        """Returns name and condition."""
        state = "failed" if self.failure else "closed" if self.closed else "open"
        return f"Stream({self.name!r}, {state}, {self.submitted} frames)"
