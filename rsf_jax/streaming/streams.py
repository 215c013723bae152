"""What is known of one video: its queue, its results, and how it ends."""

import dataclasses
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import jax
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.shown import in_a_line

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
        first: whether it was treated as the first of a video: the first there is, the first after
            `reset`, or one at which the policy began anew, as a gate does at a cut.
        tag: what was given to `submit` with the frame.
        time: when it was submitted, seconds since 1970 in UTC.
        frame: the frame itself, if the stream keeps its frames.
    """

    __repr__ = in_a_line

    stream: str
    index: int
    status: str
    outputs: Any
    steps: int
    seconds: float
    reason: str = ""
    tag: Any = None
    time: float = float("nan")
    frame: np.ndarray | None = None
    first: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes that it holds on the host."""
        arrays = jax.tree.leaves((self.outputs, self.frame))
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


_NO_FRAME = np.zeros(0, np.float32)

OnResult = Callable[[FrameResult], None]


@dataclasses.dataclass(eq=False)
class Waiting:
    """A frame in a queue, or at work.

    Attributes:
        index: its number in the stream.
        frame: uint8 or float32 [H, W, I], until the device has it.
        submitted: seconds on the engine's clock.
        deadline: when it has to be read out; None for never.
        first: whether it begins a video.
        in_shadow: whether it is to get a shadow, and has none yet.
        tag: the user's.
        time: seconds since 1970 when it was submitted.
        future: who waits for this result alone; None for nobody.
    """

    index: int
    frame: np.ndarray
    submitted: float
    deadline: float | None
    first: bool
    in_shadow: bool = False
    tag: Any = None
    time: float = 0.0
    future: "Future[FrameResult] | None" = None


# A result and who waits for it alone.
Due = tuple[FrameResult, "Future[FrameResult] | None"]


class Stream:
    """One video. `StreamEngine.open` makes it; users hand it back to the engine.

    A frame is taken from the queue when the device begins to work at it, and put back if that
    fails: until it is known to have begun, the stream is as if it had not.

    Attributes:
        name: as in the results.
        row: where its state is stored.
        owner: what the engine knows its streams by.
        budget: seconds from `submit` to the result; None for any.
        when_full: what happens to another frame when as many wait as may.
        on_result: called with each result, in order; None to leave them to `results`.
        priority: streams of a higher one get slots before others.
        keeps_frames: whether results hold their frames.
        closed: whether it takes no more frames.
        failure: why it takes no more frames; empty unless it failed.
        submitted: frames taken so far.
        queue: frames that wait.
        begins: whether the next frame that is submitted begins a video.
        begun: whether a frame has begun, so that there is a state of it.
        outputs: of the last frame that was read out, for those that repeat it; None if there was
            none, or none is asked for.
        turn: its place among the streams that wait.
    """

    def __init__(
        self,
        name: str,
        row: int,
        owner: object,
        budget: float | None,
        when_full: str,
        on_result: OnResult | None,
        priority: int = 0,
        keeps_frames: bool = False,
    ) -> None:
        self.name, self.row, self.owner = name, row, owner
        self.budget, self.on_result = budget, on_result
        self.when_full, self.priority, self.keeps_frames = when_full, priority, keeps_frames
        self.closed, self.failure, self.submitted = False, "", 0
        self.begins, self.begun = True, False
        self.outputs: Any = None
        self.turn = (0, 0)
        self.queue: deque[Waiting] = deque()
        self._current: Waiting | None = None  # at work
        # Results of later frames than the current one.
        self._held: list[Due] = []

    def check_takes(self) -> None:
        """Raises InputError unless it takes another frame."""
        if self.failure:
            raise InputError(f"{self.failure}; close it and open another")
        if self.closed:
            raise InputError("it is closed, and takes no more frames")

    def put(self, waiting: Waiting) -> int:
        """Queues a frame, and returns its number."""
        waiting.index, waiting.first = self.submitted, self.begins
        if self.budget is not None:
            waiting.deadline = waiting.submitted + self.budget
        self.queue.append(waiting)
        self.submitted, self.begins = waiting.index + 1, False
        return waiting.index

    def mend(self) -> None:
        """Completes a `put` that was interrupted."""
        if self.queue and self.queue[-1].index >= self.submitted:
            self.submitted, self.begins = self.queue[-1].index + 1, False

    def take(self) -> tuple[np.ndarray, bool]:
        """Takes the oldest waiting frame to work; returns it, and whether it begins a video."""
        self._current = self.queue.popleft()
        return self._current.frame, self._current.first

    def put_back(self, frame: np.ndarray | None = None) -> None:
        """Undoes `take`.

        Args:
            frame: the pixels, if they may have been dropped since.
        """
        if self._current is not None:
            self._current.frame = self.pixels_of(self._current, frame)
            self.queue.appendleft(self._current)
            self._current = None

    @staticmethod
    def pixels_of(waiting: Waiting, frame: np.ndarray | None) -> np.ndarray:
        """Returns the pixels of a frame: its own, or those given if they are on the device."""
        return frame if frame is not None and waiting.frame is _NO_FRAME else waiting.frame

    @property
    def unanswered(self) -> list[Waiting]:
        """Frames at work or in the queue, in order."""
        return [*([] if self._current is None else [self._current]), *self.queue]

    @property
    def held(self) -> list[FrameResult]:
        """Results of frames that were dropped, which come after those of frames before them."""
        return [result for result, _ in self._held]

    def go_on(self, waiting: list[Waiting], held: list[FrameResult]) -> None:
        """Takes over what `unanswered` and `held` of a stream were that it continues."""
        self.queue.extend(waiting)
        self._held = [(result, None) for result in held]

    def let_go(self, error: Exception) -> None:
        """Gives up all it has, without results; whoever waits for one alone gets the error."""
        futures = [frame.future for frame in self.unanswered] + [f for _, f in self._held]
        self._current, self._held = None, []
        self.queue.clear()
        for future in futures:
            if future is not None and future.set_running_or_notify_cancel():
                future.set_exception(error)

    def has_begun(self) -> None:
        """Notes that the device has the frame that was taken."""
        self.begun = True
        if self._current is not None and not self.keeps_frames:
            self._current.frame = _NO_FRAME

    def is_due(self, then: float) -> bool:
        """Whether the frame at work has to be read out before a time."""
        deadline = self._current.deadline if self._current else None
        return deadline is not None and deadline < then

    def drop(self, reason: str, now: float) -> list[Due]:
        """Drops the oldest waiting frame; the results that are due, in order."""
        dropped = self.queue[0]
        # Before it is gone: an interruption must not leave a video without its first frame.
        if dropped.first and len(self.queue) > 1:
            self.queue[1].first = True
        elif dropped.first:
            self.begins = True
        self.queue.popleft()
        due = self._result(dropped, DROPPED, now, reason=reason)
        if self._current is not None:
            self._held.append(due)
            return []
        # Held ones are of later frames than one that was put back.
        held, self._held = self._held, []
        return [due, *held]

    @property
    def may_repeat(self) -> bool:
        """Whether the oldest waiting frame could be answered by the outputs of the one before."""
        return self.outputs is not None and not self.queue[0].first

    def repeat(self, now: float) -> list[Due]:
        """Answers the frame at work by the outputs of the one before."""
        # A copy, or who writes to one would write to all.
        return self.end(REPEATED, now, jax.tree.map(np.copy, self.outputs), 0)

    def end(
        self,
        status: str,
        now: float,
        outputs: Any,
        steps: int,
        reason: str = "",
        *,
        first: bool = False,
    ) -> list[Due]:
        """Ends the frame at work; the results that are due, in order."""
        if self._current is None:
            raise RuntimeError(f"{self} has no frame at work")
        ended, self._current = self._current, None
        result = self._result(ended, status, now, outputs, steps, reason, first)
        due = [result, *self._held]
        self._held = []
        if status == FAILED:
            due += self.fail(f"it failed at frame {ended.index}: {reason}", now)
        return due

    def fail(self, failure: str, now: float) -> list[Due]:
        """Takes no more frames, and drops those that wait; the results that are due."""
        self.failure = self.failure or failure
        due = []
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
        first: bool = False,
    ) -> Due:
        seconds, frame = now - waiting.submitted, waiting.frame if self.keeps_frames else None
        result = FrameResult(
            self.name,
            waiting.index,
            status,
            outputs,
            steps,
            seconds,
            reason,
            waiting.tag,
            waiting.time,
            frame,
            first,
        )
        return result, waiting.future

    def take_shadow(self) -> bool:
        """Whether the frame at work is due a shadow: once."""
        frame = self._current
        due = frame is not None and frame.in_shadow
        if frame is not None:
            frame.in_shadow = False
        return due

    @property
    def at_work(self) -> bool:
        """Whether the device works at a frame of it."""
        return self._current is not None

    @property
    def left(self) -> int:
        """Frames that wait or are at work."""
        return len(self.queue) + self.at_work

    def __repr__(self) -> str:
        """Returns name and condition."""
        state = "failed" if self.failure else "closed" if self.closed else "open"
        return f"Stream({self.name!r}, {state}, {self.submitted} frames)"
