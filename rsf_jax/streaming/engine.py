"""The engine: takes frames of many videos, keeps the slots filled, hands out results."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from rsf_jax.checks import as_prepared
from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, VideoModel
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import may_leave_out_frames
from rsf_jax.streaming import checks
from rsf_jax.streaming.program import Ended, Load, Look, Program, Transform, to_host
from rsf_jax.streaming.shadow import Shadow, Shadows
from rsf_jax.streaming.statistics import Counter, Statistics
from rsf_jax.streaming.streams import (
    CUT,
    DONE,
    FAILED,
    REPEATED,
    FrameResult,
    OnResult,
    Stream,
)
from rsf_jax.streaming.turns import Turns
from rsf_jax.typing import Variables

# Weight of the last tick in the mean by which deadlines are met.
_RECENT = 0.1


class StreamEngine:
    """Runs one model on many live videos at once.

    Frames of S streams are computed together. As soon as one has ended, its slot is given to the
    next stream that waits: what each frame gets, steps and logits, is what `run_frame` gives it
    alone, up to rounding. Streams take turns; a stream has one frame in a slot at most, because
    the next one starts from its state. Frames that the policy leaves out, as a gate does, are
    answered without a slot: their results repeat the one before.

    Work is done by whoever waits for it: `tick`, `results`, or a `submit` to a full queue. All
    methods may be called from several threads. The tick is compiled once.

    Args:
        model: a recurrent model whose statistics are of each sample.
        variables: Flax variables, or the result of `prepare` for `frame_shape`.
        policy: when frames end; with a single value for each threshold.
        frame_shape: (height, width) in pixels of all frames.
        slots: frames computed together, S.
        max_streams: streams that may be open at once: so many states are kept on the device.
        queue: frames of a stream that may wait.
        when_full: what `submit` does then: "block" computes until there is room, "drop_oldest"
            drops the frame that has waited longest, "error" raises `InputError`.
        steps_per_tick: recurrent steps between two looks at what has halted: more spare the host
            work, and waste steps of slots that halt between.
        stateful: start each frame from the state the previous one left.
        transform: what is made on the device of logits [S, H, W, K], to bring less to the host, as
            `lambda logits: logits.argmax(-1)`; traceable, S first in whatever it returns.
        shadow: frames that are also run as a reference would run them, and compared; None for none.
        clock: seconds; of deadlines and latencies.

    Raises:
        InputError: if an argument is none of these.
    """

    def __init__(
        self,
        model: VideoModel,
        variables: Variables | Prepared,
        policy: StepPolicy,
        frame_shape: tuple[int, int],
        *,
        slots: int = 8,
        max_streams: int = 64,
        queue: int = 2,
        when_full: str = "block",
        steps_per_tick: int = 1,
        stateful: bool = True,
        transform: Transform = lambda logits: logits,
        shadow: Shadow | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        checks.check_counts(
            slots=slots, max_streams=max_streams, queue=queue, steps_per_tick=steps_per_tick
        )
        checks.check_when_full(when_full)
        checks.check_model(model)
        prepared, policy = as_prepared(model, variables, frame_shape), checks.checked_policy(policy)
        self._leaves_out = may_leave_out_frames(policy)
        self._program = Program(
            prepared,
            policy,
            slots=slots,
            rows=max_streams,
            steps=steps_per_tick,
            stateful=stateful,
            transform=transform,
        )
        self._shadows = shadow and Shadows(shadow, prepared, policy, stateful=stateful)
        self._frame = (*prepared.frame_shape, model.input_channels)
        self._queue, self._when_full = queue, when_full
        self._slots, self._steps, self._clock = slots, steps_per_tick, clock
        self._lock = threading.RLock()
        self._turns = Turns(slots, self._frame, max_streams)
        self._streams: dict[str, Stream] = {}  # open, or with frames left
        self._names = itertools.count(1)
        self._rows = list(reversed(range(max_streams)))
        self._outbox: deque[tuple[Stream, FrameResult]] = deque()
        self._results: deque[FrameResult] = deque()
        self._counter = Counter()
        # Compiles, or the first frames would wait for it.
        jax.block_until_ready(self._program.tick(self._turns.load(0.0)))
        if self._leaves_out:
            self._program.leaves_out(self._turns.nothing())
        if self._shadows:
            self._shadows.cast(self._program.store, self._turns.nothing().frames, 0, 0, False)
            self._shadows.forget()
        self._tick_seconds = 0.0  # of the last ticks, on average

    def open(
        self,
        name: str = "",
        *,
        budget: Any = None,
        when_full: str = "",
        on_result: OnResult | None = None,
    ) -> Stream:
        """Opens a stream.

        Args:
            name: of its results; a number unless given. It must not be in use.
            budget: seconds from `submit` to the result: a frame that has not halted by then is
                read out as it is, after one step at least; None for as long as it takes.
            when_full: what `submit` does then, if not what it does for the engine's others: a
                camera may drop frames where a file waits.
            on_result: called with each result, in order, by the thread whose call made it, instead
                of leaving it to `results`. It may call the engine; it must not wait for another
                thread that does.

        Raises:
            InputError: if the name is in use or as many streams are open as may be.
        """
        checks.check_budget(budget)
        checks.check_when_full(when_full or self._when_full)
        with self._lock:
            name = name or next(n for n in map(str, self._names) if n not in self._streams)
            if name in self._streams:
                raise InputError(f"a stream named {name!r} is open: choose another name")
            if not self._rows:
                raise InputError(
                    f"{len(self._streams)} streams are open, as many as this engine keeps states "
                    "of: close one, or make it with a larger max_streams"
                )
            row = self._rows.pop()
            stream = Stream(name, row, budget, when_full or self._when_full, on_result)
            self._streams[name] = stream
            return stream

    def submit(self, stream: Stream, frame: Any) -> int:
        """Queues the next frame of a stream.

        Args:
            stream: an open stream.
            frame: uint8, or float32 in 0..1, [H, W, I].

        Returns:
            The frame's number in its stream.

        Raises:
            InputError: if the stream is closed or has failed, the frame is of another size or
                type, or holds NaN, or the queue is full and `when_full` is "error". The frame is
                then counted as refused, and the stream is as it was.
        """
        with self._lock:
            try:
                stream.check_takes()
                frame = checks.checked_frame(frame, self._frame)
                self._make_room(stream)
            except InputError as error:
                self._counter.refused += 1
                raise InputError(f"stream {stream.name!r}: {error}") from None
            index = stream.put(frame, self._clock())
            if self._shadows:
                stream.queue[-1].in_shadow = self._shadows.drawn()
            if not stream.in_slot and len(stream.queue) == 1:
                self._turns.wait(stream)
            return index

    def reset(self, stream: Stream) -> None:
        """Makes the next frame that is submitted the first of a video.

        It starts from a fresh state and with a fresh memory of the policy; frames that wait belong
        to the video before.

        Raises:
            InputError: if the stream is closed or has failed.
        """
        with self._lock:
            try:
                stream.check_takes()
            except InputError as error:
                raise InputError(f"stream {stream.name!r}: {error}") from None
            stream.begins = True

    def has_room(self, stream: Stream) -> bool:
        """Whether another frame of a stream would be queued at once."""
        with self._lock:
            return len(stream.queue) < self._queue

    def close(self, stream: Stream) -> None:
        """Takes no more frames of a stream; those that wait are still computed.

        Raises:
            InputError: if it is closed already.
        """
        with self._lock:
            if stream.closed:
                raise InputError(f"stream {stream.name!r} is closed already")
            stream.closed = True
            self._forget_if_over(stream)

    def tick(self) -> bool:
        """Fills free slots, makes the steps of a tick, and hands out what has ended.

        Returns:
            Whether there was anything to do.
        """
        with self._lock:
            # Before the rest, which takes its time.
            self._repeat()
            any_repeated = self._deliver()
            began = self._clock()
            # One that is not cut now could be cut by the next tick at the earliest.
            load = self._turns.load(then=began + 2 * self._tick_seconds)
            loaded = self._turns.loaded
            if loaded:
                self._cast_begun(load)
                ended = to_host(self._program.tick(load))
                now = self._clock()
                self._tick_seconds += _RECENT * (now - began - self._tick_seconds)
                self._counter.count_tick(
                    self._slots, loaded, self._steps, int(ended.useful), now - began
                )
                for slot in np.flatnonzero(ended.ended):
                    self._end(int(slot), ended, now)
            self._compare()
            return self._deliver() or any_repeated or loaded > 0

    def results(self) -> Iterator[FrameResult]:
        """Yields results, in order within a stream, and computes until none is left to come."""
        while True:
            with self._lock:
                result = self._results.popleft() if self._results else None
            if result is not None:
                yield result
            elif not self.tick():
                return

    def poll(self) -> list[FrameResult]:
        """Returns the results that are there, without computing."""
        with self._lock:
            self._deliver()
            results, self._results = list(self._results), deque()
            return results

    def statistics(self) -> Statistics:
        """Returns what has been done so far."""
        with self._lock:
            return self._counter.statistics(sum(s.left for s in self._streams.values()))

    def reset_statistics(self) -> None:
        """Counts from here on."""
        with self._lock:
            self._counter = Counter()

    def _repeat(self) -> None:
        """Answers frames that the policy leaves out, until all that wait need a step."""
        while (look := self._turns.look()) is not None:
            self._cast_looked_at(look)
            left_out = self._program.leaves_out(look)
            now = self._clock()
            for stream in self._turns.seen(left_out):
                result = stream.repeat(now)
                if stream.queue:
                    self._turns.wait(stream)
                self._forget_if_over(stream)
                self._put_out(stream, [result])

    def _cast_looked_at(self, look: Look) -> None:
        """Begins the shadows of frames that may be left out, from the states before them."""
        if self._shadows:
            for place, stream in enumerate(self._turns.looked_at()):
                if stream.take_shadow():
                    store = self._program.store
                    self._shadows.cast(store, look.frames, place, stream.row, False)

    def _cast_begun(self, load: Load) -> None:
        """Begins the shadows of frames that get slots."""
        if self._shadows:
            for slot in map(int, np.flatnonzero(load.mask)):
                stream = self._turns.holder(slot)
                if stream is not None and stream.take_shadow():
                    first, store = bool(load.first[slot]), self._program.store
                    self._shadows.cast(store, load.frames, slot, stream.row, first)

    def _compare(self) -> None:
        """Takes what has come of shadows."""
        for loss in self._shadows.losses() if self._shadows else ():
            self._counter.count_shadow(loss)

    def _end(self, slot: int, ended: Ended, now: float) -> None:
        """Takes a frame out of its slot."""
        stream, steps = self._turns.free(slot), int(ended.steps[slot])
        if ended.finite[slot]:
            status = CUT if ended.cut[slot] else DONE if steps else REPEATED
            # A copy, or each result would keep those of all slots.
            outputs = jax.tree.map(lambda x: np.array(x[slot]), ended.outputs)
            if self._leaves_out:
                stream.outputs = jax.tree.map(np.copy, outputs)
            due = stream.end(status, now, outputs, steps)
        else:
            due = stream.end(FAILED, now, None, steps, "the state became NaN or infinite")
        if stream.queue:
            self._turns.wait(stream)
        self._forget_if_over(stream)
        self._put_out(stream, due)

    def _put_out(self, stream: Stream, results: list[FrameResult]) -> None:
        for result in results:
            self._counter.count_result(result.status, result.seconds)
            self._outbox.append((stream, result))

    def _deliver(self) -> bool:
        """Hands results out; those after one whose callback raises are left for the next call."""
        any_left = bool(self._outbox)
        while self._outbox:
            stream, result = self._outbox.popleft()
            if stream.on_result is None:
                self._results.append(result)
            else:
                stream.on_result(result)
        return any_left

    def _make_room(self, stream: Stream) -> None:
        """Does what the stream's `when_full` says, if the queue is full."""
        while len(stream.queue) >= self._queue:
            if stream.when_full == "block":
                self.tick()
                stream.check_takes()  # a tick may have failed it
            elif stream.when_full == "drop_oldest":
                self._put_out(stream, stream.drop("newer frames came", self._clock()))
                if not stream.in_slot:
                    self._turns.dropped(stream)
            else:
                raise InputError(
                    f"its queue is full ({self._queue}): submit fewer frames, make the engine "
                    'with a longer queue, or with when_full="block" or "drop_oldest"'
                )

    def _forget_if_over(self, stream: Stream) -> None:
        """Gives back name and row of a stream that will have no more results."""
        if stream.closed and not stream.left and self._streams.get(stream.name) is stream:
            del self._streams[stream.name]
            self._rows.append(stream.row)
