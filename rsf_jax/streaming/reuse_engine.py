"""An engine for networks without recurrence: of every stream only what has changed is computed."""

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
from rsf_jax.streaming.apart import Apart
from rsf_jax.streaming.books import Books
from rsf_jax.streaming.statistics import Statistics
from rsf_jax.streaming.streams import DONE, FrameResult, OnResult, Stream

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
        # Gray, not black: the first frame of a stream is another scene either way.
        self._frames = np.full((max_streams, height, width, channels), 0.5, np.float32)
        _check_apart(reuse, self._frames)
        self._state: ReuseState | None = None
        self._share, self._failed_before = float("nan"), False
        self._device, self._apart = threading.Lock(), Apart()
        self._books = Books(
            slots=max_streams,
            frame=(height, width, channels),
            max_streams=max_streams,
            queue=queue,
            when_full=when_full,
            unread_bytes=unread_bytes,
            clock=clock,
        )

    def __repr__(self) -> str:
        """Returns what it runs, and how busy it is."""
        shape = "x".join(map(str, self._frames.shape[1:]))
        return f"<ReuseEngine {self._reuse!r}, frames of {shape}, {self._books}>"

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
        if when_full:
            checks.check_when_full(when_full)
        return self._books.open(name, None, when_full, on_result, 0, False)

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
        waiting = self._books.checked(stream, frame, tag)
        while not self._books.queued(stream, waiting):
            self.tick()
        return waiting.index

    def has_room(self, stream: Stream) -> bool:
        """Whether another frame of a stream would be queued at once."""
        return self._books.has_room(stream)

    def discard(self, stream: Stream) -> int:
        """Drops the frames of a stream that wait; returns how many."""
        return self._books.discard(stream)

    def close(self, stream: Stream) -> None:
        """Takes no more frames of a stream; those that wait are still computed, or see `discard`.

        Raises:
            InputError: if it is closed already, or another engine's.
        """
        self._books.close(stream)

    def tick(self) -> bool:
        """Computes a frame of every stream that has one, and hands out the results.

        Returns:
            Whether there was anything to do.
        """
        busy = self._books.delivery.deliver()
        busy |= self._apart(self._advance)
        return self._books.delivery.deliver() or busy

    def results(self) -> Iterator[FrameResult]:
        """Yields results, in order within a stream, and computes until none is left to come."""
        return self._books.delivery.results(self.tick)

    def poll(self) -> list[FrameResult]:
        """Returns the results that are there, without computing."""
        return self._books.delivery.poll()

    def statistics(self) -> Statistics:
        """Returns what has been done so far; a step is a frame."""
        return self._books.statistics()

    def _advance(self) -> bool:
        books = self._books
        with self._device:
            began = books.clock()
            with books.lock:
                frames = np.asarray(books.turns.load(began, fill=True).frames)
                loaded = books.turns.new()
                for frame, stream in zip(frames, loaded):
                    self._frames[stream.row] = frame
            if not loaded:
                return False
            try:
                outputs = jax.device_get(self._transform(self._compute()))
            except BaseException as error:
                self._recover(error)
                raise
            self._failed_before, count = False, len(loaded)
            with books.lock:
                seconds = books.clock() - began
                books.counter.count_tick(len(self._frames), count, 1, count, seconds)
                for stream in books.turns.taken():
                    books.answer(stream, DONE, outputs, stream.row, 1)
        return True

    def _compute(self) -> Any:
        if self._state is None:
            self._state = self._reuse.init(self._frames)
        self._state, outputs = self._reuse.step(self._state, self._frames)
        computed = jax.device_get(self._state.computed)
        self._share = share_of_work(self._reuse.program(self._frames), computed)
        return outputs

    def _recover(self, error: BaseException) -> None:
        """Puts frames back whose tick failed; ends their streams if it is the second time."""
        again = self._failed_before and isinstance(error, Exception)
        self._failed_before = isinstance(error, Exception)
        self._state = None  # its memory may have been given away
        reason = f"the engine could not compute it: {type(error).__name__}: {error}"
        with self._books.lock:
            loaded = self._books.turns.new()
            self._books.turns.put_back()
            for stream in loaded if again else ():
                self._books.fail(stream, reason)


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
