"""An engine for networks without recurrence: of every stream only what has changed is computed."""

import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.reuse.bound import share_of_work
from rsf_jax.reuse.network import ReuseNetwork
from rsf_jax.reuse.state import ReuseState
from rsf_jax.streaming import checks
from rsf_jax.streaming.apart import Apart
from rsf_jax.streaming.books import Books
from rsf_jax.streaming.front import Front
from rsf_jax.streaming.slots import Load
from rsf_jax.streaming.streams import DONE, OnResult, Stream

# Relative to the largest output: by so much rounding may differ from batch to batch.
_ROUNDING = 1e-3


class ReuseEngine(Front):
    """Runs a `ReuseNetwork` on many live videos at once.

    Streams are one batch, each in a place of its own: a tick takes one frame of every stream that
    has one, and computes what has changed in all of them together. A stream without a new frame
    keeps its last one, in which nothing has changed, and costs next to nothing. What each frame
    gets is what the network gives it alone, up to rounding and truncation. Where these could carry
    something of one video into the next, the first frame of a video has everything computed anew,
    for all streams.

    It is used as `StreamEngine` is: `open`, `submit`, `results`, `close`, from any thread;
    callbacks run in the thread that computes. A result's `steps` is 1. There are no budgets: a
    network without recurrence has nothing to show before its end.

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
        max_streams, queue = whole("max_streams", max_streams), whole("queue", queue)
        unread_bytes = whole("unread_bytes", unread_bytes)
        checks.check_when_full(when_full)
        checks.check_functions(transform=transform, clock=clock)
        if not isinstance(reuse, ReuseNetwork):
            raise InputError(
                f"reuse is {reuse!r}: a ReuseNetwork is needed, ReuseNetwork(network, variables)"
            )
        self._reuse, self._transform = reuse, jax.jit(transform)
        height, width, channels = checks.checked_frame_shape(frame_shape)
        # Gray, not black: the first frame of a stream is another scene either way.
        gray = np.full((max_streams, height, width, channels), 0.5, np.float32)
        _check_apart(reuse, gray)
        self._frames = jax.device_put(gray)
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
        self,
        name: str = "",
        *,
        when_full: str = "",
        on_result: OnResult | None = None,
        priority: int = 0,
        keep_frames: bool = False,
    ) -> Stream:
        """Opens a stream.

        Args:
            name: of its results; a number unless given. It must not be in use.
            when_full: what `submit` does then, if not what it does for the engine's others.
            on_result: called with each result, in order, instead of leaving it to `results`. If it
                raises, its stream fails.
            priority: of frames computed together, streams of a higher one get their results first.
            keep_frames: whether results hold their frames.

        Raises:
            InputError: if an argument is none of these, the name is in use, or as many streams are
                open as may be.
        """
        return self._books.open(name, None, when_full, on_result, priority, keep_frames)

    def _work(self) -> bool:
        books = self._books
        with self._device:
            began = books.clock()
            with books.lock:
                load = books.turns.load(began, fill=True)
            if not load.count:
                return False
            try:
                frames = self._placed(load)
                outputs = jax.device_get(self._transform(self._compute(frames, load)))
            except BaseException as error:
                self._recover(error)
                raise
            self._frames, self._failed_before = frames, False
            with books.lock:
                seconds, count = books.clock() - began, int(load.count)
                books.counter.count_tick(len(frames), count, 1, count, seconds)
                for stream, first in zip(books.turns.taken(), load.first):
                    books.answer(stream, DONE, outputs, stream.row, 1, first=bool(first))
        return True

    def _placed(self, load: Load) -> jax.Array:
        """All streams' frames with the new ones among them; alone these go to the device."""
        is_new = np.arange(len(load.row)) < load.count
        # Rows that do not exist are written nowhere.
        return _put(self._frames, load.frames, np.where(is_new, load.row, len(load.row)))

    def _compute(self, frames: jax.Array, load: Load) -> Any:
        if load.first.any() and not self._reuse.is_exact:
            self._state = None
        anew = self._state is None
        self._state, outputs = self._reuse.step(self._state or self._reuse.init(frames), frames)
        computed = jax.device_get(self._state.computed)
        self._share = 1.0 if anew else share_of_work(self._reuse.program(frames), computed)
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


@jax.jit
def _put(frames: jax.Array, new: jax.Array, rows: jax.Array) -> jax.Array:
    return frames.at[rows].set(new, mode="drop")


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
