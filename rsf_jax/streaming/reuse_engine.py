"""An engine for networks without recurrence: of every stream only what has changed is computed."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.reuse.bound import share_of_work
from rsf_jax.reuse.network import ReuseNetwork
from rsf_jax.reuse.state import ReuseState
from rsf_jax.streaming import checks
from rsf_jax.streaming.delivery import Delivery
from rsf_jax.streaming.statistics import Counter, Statistics
from rsf_jax.streaming.streams import DONE, FAILED, Due, FrameResult, OnResult, Stream, Waiting

# Relative to the largest output: by so much rounding may differ from batch to batch.
_ROUNDING = 1e-3


class ReuseEngine:
    """Runs a `ReuseNetwork` on many live videos at once.

    Streams are one batch, each in a place of its own: a tick takes one frame of every stream that
    has one, and computes what has changed in all of them together. A stream without a new frame
    keeps its last one, in which nothing has changed, and costs next to nothing. What each frame
    gets is what the network gives it alone, up to rounding and truncation.

    It is used as `StreamEngine` is: `open`, `submit`, `results`, `close`, from any thread;
    callbacks run in the thread that computes. A result's `steps` is 1.

        engine = ReuseEngine(ReuseNetwork(network, variables), (240, 320, 3))
        door = engine.open("door")
        engine.submit(door, frame)
        for result in engine.results():
            ...

    If the device fails, the call raises, and the next one tries again, from nothing. If that fails,
    too, the streams concerned fail, with the reason in their results.

    Args:
        reuse: the network. It treats every frame of a batch by itself.
        frame_shape: (H, W, C) of all frames.
        max_streams: streams that may be open at once: the batch.
        queue: frames of a stream that may wait.
        when_full: what `submit` does then: "block" computes until there is room, "drop_oldest"
            drops the frame that has waited longest, "error" raises `InputError`.
        transform: what is made on the device of the network's outputs, to bring less to the host;
            traceable, with the batch as first axis of all that it takes and returns.
        unread_bytes: of results that wait to be read, after which `submit` refuses frames.
        clock: seconds; of latencies.

    Raises:
        InputError: if an argument is none of these, or frames of a batch change each other.
    """

    def __init__(
        self,
        reuse: ReuseNetwork,
        frame_shape: tuple[int, int, int],
        *,
        max_streams: int = 8,
        queue: int = 2,
        when_full: str = "block",
        transform: Callable[[Any], Any] = lambda outputs: outputs,
        unread_bytes: int = 2**30,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        checks.check_counts(max_streams=max_streams, queue=queue, unread_bytes=unread_bytes)
        checks.check_when_full(when_full)
        self._reuse, self._transform = reuse, jax.jit(transform)
        height, width, channels = frame_shape
        self._shape, self._clock = (height, width, channels), clock
        self._queue, self._when_full = queue, when_full
        # Gray, not black: the first frame of a stream is another scene either way.
        self._frames = np.full((max_streams, *self._shape), 0.5, np.float32)
        _check_apart(reuse, self._frames)
        self._state: ReuseState | None = None
        self._share, self._failed_before = float("nan"), False
        self._key = object()  # of its streams
        self._books, self._device = threading.Condition(threading.RLock()), threading.Lock()
        self._streams: dict[str, Stream] = {}
        self._rows = list(reversed(range(max_streams)))
        self._names = itertools.count(1)
        self._delivery = Delivery(self._books, unread_bytes, self._fail_for_callback)
        self._counter = Counter()

    def __repr__(self) -> str:
        """Returns what it runs, and how busy it is."""
        waiting = sum(s.left for s in list(self._streams.values()))
        shape = "x".join(map(str, self._shape))
        return (
            f"<ReuseEngine {self._reuse!r}, frames of {shape}, {len(self._streams)} of "
            f"{len(self._frames)} streams, {waiting} frames wait>"
        )

    @property
    def share(self) -> float:
        """Share of all multiply-adds that the last tick had computed; NaN before the first."""
        return self._share

    def open(
        self, name: str = "", *, when_full: str = "", on_result: OnResult | None = None
    ) -> Stream:
        """Opens a stream.

        Args:
            name: of its results; a number unless given. It must not be in use.
            when_full: what `submit` does then, if not what it does for the engine's others.
            on_result: called with each result, in order, instead of leaving it to `results`. If it
                raises, its stream fails.

        Raises:
            InputError: if the name is in use or as many streams are open as may be.
        """
        checks.check_when_full(when_full or self._when_full)
        with self._books:
            name = name or next(n for n in map(str, self._names) if n not in self._streams)
            if name in self._streams:
                raise InputError(f"a stream named {name!r} is open: choose another name")
            if not self._rows:
                raise InputError(
                    f"{len(self._streams)} streams are open, as many as this engine has places "
                    "for: close one, or make it with a larger max_streams"
                )
            full = when_full or self._when_full
            stream = Stream(name, self._rows.pop(), self._key, None, full, on_result)
            self._streams[name] = stream
            return stream

    def submit(self, stream: Stream, frame: Any, tag: Any = None) -> int:
        """Queues the next frame of a stream.

        Args:
            stream: an open stream.
            frame: uint8, or float32 in 0..1, [H, W, C]; bytes are divided by 255.
            tag: whatever its result is to carry.

        Returns:
            The frame's number in its stream.

        Raises:
            InputError: if the stream is closed, has failed or is another engine's, the frame is of
                another size or type, or holds NaN, too many results are unread, or the queue is
                full and `when_full` is "error".
        """
        self._check_own(stream)
        try:
            stream.check_takes()
            copy = checks.checked_frame(frame, self._shape)
        except InputError as error:
            raise self._refused(stream, error) from None
        waiting = Waiting(-1, copy, self._clock(), None, False, tag=tag, time=time.time())
        while not self._queued(stream, waiting):
            self.tick()
        return waiting.index

    def has_room(self, stream: Stream) -> bool:
        """Whether another frame of a stream would be queued at once."""
        self._check_own(stream)
        return len(stream.queue) < self._queue

    def discard(self, stream: Stream) -> int:
        """Drops the frames of a stream that wait; returns how many."""
        self._check_own(stream)
        with self._books:
            count = len(stream.queue)
            for _ in range(count):
                self._put_out(stream, stream.drop("it was discarded", self._clock()))
            self._forget_if_over(stream)
            return count

    def close(self, stream: Stream) -> None:
        """Takes no more frames of a stream; those that wait are still computed, or see `discard`.

        Raises:
            InputError: if it is closed already, or another engine's.
        """
        self._check_own(stream)
        with self._books:
            if stream.closed:
                raise InputError(f"stream {stream.name!r} is closed already")
            stream.closed = True
            self._forget_if_over(stream)

    def tick(self) -> bool:
        """Computes a frame of every stream that has one, and hands out the results.

        Returns:
            Whether there was anything to do.
        """
        busy = self._delivery.deliver()
        with self._device:
            busy |= self._advance()
        return self._delivery.deliver() or busy

    def results(self) -> Iterator[FrameResult]:
        """Yields results, in order within a stream, and computes until none is left to come."""
        while True:
            result = self._delivery.pop()
            if result is None and not self.tick():
                result = self._delivery.pop()  # of another thread's tick
                if result is None:
                    return
            if result is not None:
                yield result

    def poll(self) -> list[FrameResult]:
        """Returns the results that are there, without computing."""
        self._delivery.deliver()
        return self._delivery.take()

    def statistics(self) -> Statistics:
        """Returns what has been done so far; a step is a frame."""
        with self._books:
            return self._counter.statistics(sum(s.left for s in self._streams.values()))

    def _advance(self) -> bool:
        began = self._clock()
        with self._books:
            loaded = [s for s in self._streams.values() if s.queue]
            for stream in loaded:
                frame, _ = stream.take()
                is_bytes = frame.dtype == np.uint8
                self._frames[stream.row] = frame / np.float32(255) if is_bytes else frame
        if not loaded:
            return False
        try:
            outputs = jax.device_get(self._transform(self._compute()))
        except BaseException as error:
            self._recover(loaded, error)
            raise
        self._failed_before, now = False, self._clock()
        with self._books:
            count = len(loaded)
            self._counter.count_tick(len(self._frames), count, 1, count, now - began)
            for stream in loaded:
                # A copy, or each result would keep those of all streams.
                own = jax.tree.map(lambda x, row=stream.row: np.array(x[row]), outputs)
                self._put_out(stream, stream.end(DONE, now, own, 1))
                self._forget_if_over(stream)
        return True

    def _compute(self) -> Any:
        if self._state is None:
            self._state = self._reuse.init(self._frames)
        self._state, outputs = self._reuse.step(self._state, self._frames)
        computed = jax.device_get(self._state.computed)
        self._share = share_of_work(self._reuse.program(self._frames), computed)
        return outputs

    def _recover(self, loaded: list[Stream], error: BaseException) -> None:
        """Puts frames back whose tick failed; ends their streams if it is the second time."""
        again = self._failed_before and isinstance(error, Exception)
        self._failed_before = isinstance(error, Exception)
        self._state = None  # its memory may have been given away
        reason = f"the engine could not compute it: {type(error).__name__}: {error}"
        with self._books:
            for stream in loaded:
                if again:
                    self._put_out(stream, stream.end(FAILED, self._clock(), None, 0, reason))
                    self._forget_if_over(stream)
                else:
                    stream.put_back()

    def _fail_for_callback(self, stream: Stream, error: Exception) -> None:
        reason = f"its on_result raised {type(error).__name__}: {error}"
        self._put_out(stream, stream.fail(reason, self._clock()))
        self._forget_if_over(stream)

    def _check_own(self, stream: Stream) -> None:
        if stream.owner is not self._key:
            raise InputError(f"stream {stream.name!r} is of another engine")

    def _refused(self, stream: Stream, error: InputError) -> InputError:
        with self._books:
            self._counter.refused += 1
        return InputError(f"stream {stream.name!r}: {error}")

    def _queued(self, stream: Stream, waiting: Waiting) -> bool:
        """Queues a frame if there is room, or can be made."""
        with self._books:
            try:
                stream.check_takes()
                if stream.on_result is None:
                    self._delivery.check_room()
                while len(stream.queue) >= self._queue:
                    if stream.when_full == "block":
                        return False
                    if stream.when_full == "error":
                        raise InputError(
                            f"its queue is full ({self._queue}): submit fewer frames, or make the "
                            'engine with a longer queue, or when_full="block" or "drop_oldest"'
                        )
                    self._put_out(stream, stream.drop("newer frames came", self._clock()))
            except InputError as error:
                raise self._refused(stream, error) from None
            stream.put(waiting)
            return True

    def _put_out(self, stream: Stream, due: list[Due]) -> None:
        for result, future in due:
            self._counter.count_result(result.status, result.seconds)
            self._delivery.put(stream, (result, future))

    def _forget_if_over(self, stream: Stream) -> None:
        """Gives back name and place of a stream that will have no more results."""
        if stream.closed and not stream.left and self._streams.get(stream.name) is stream:
            del self._streams[stream.name]
            self._rows.append(stream.row)


def _check_apart(reuse: ReuseNetwork, frames: np.ndarray) -> None:
    """Raises InputError if a frame of a batch changes what another gets."""
    one = jax.tree.leaves(reuse.whole(frames))
    if any(jnp.ndim(x) == 0 or len(x) != len(frames) for x in one):
        raise InputError(
            f"the network returns {[list(jnp.shape(x)) for x in one]} of {len(frames)} frames: "
            "every array needs one value for each of them"
        )
    changed = frames.copy()
    changed[1:] = np.random.default_rng(0).uniform(size=frames[1:].shape)
    for before, after in zip(one, jax.tree.leaves(reuse.whole(changed))):
        if not jnp.issubdtype(before.dtype, jnp.inexact):
            continue  # classes and the like, which rounding may change
        first = np.abs(np.asarray(before[0], np.float64) - np.asarray(after[0], np.float64))
        largest = np.abs(np.asarray(before, np.float64)).max(initial=0)
        if (first > _ROUNDING * largest).any():
            raise InputError(
                "frames of a batch change each other, so would streams: give a network that treats "
                "every frame by itself, as with normalization by running statistics"
            )
