"""What an engine knows of its streams: who waits, who is at work, what has ended."""

import functools
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import jax
import numpy as np

from rsf_jax.arguments import check_text, flag, whole
from rsf_jax.errors import InputError
from rsf_jax.streaming import checks
from rsf_jax.streaming.delivery import Delivery
from rsf_jax.streaming.slots import Ended
from rsf_jax.streaming.statistics import Counter, Statistics
from rsf_jax.streaming.streams import (
    CUT,
    DONE,
    FAILED,
    REPEATED,
    Due,
    Stream,
    Waiting,
)
from rsf_jax.streaming.turns import Turns

P = ParamSpec("P")
R = TypeVar("R")


def _whole(method: Callable[Concatenate["Books", P], R]) -> Callable[Concatenate["Books", P], R]:
    """Holds the lock, and leaves everything in order if the call is interrupted."""

    @functools.wraps(method)
    def call(self: "Books", *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            try:
                return method(self, *args, **kwargs)
            except Exception:
                raise
            except BaseException:  # Ctrl-C, which may come between any two calls
                self._mend()
                raise

    return call


class Books:
    """The streams of an engine, on the host.

    The lock is held for moments alone, never while the device works. Who calls several methods that
    belong together holds it meanwhile.

    Args:
        slots: frames computed together.
        frame: (height, width, channels) of a frame.
        max_streams: streams that may be open at once.
        queue: frames of a stream that may wait.
        when_full: what streams do then that do not say it themselves.
        unread_bytes: of results that wait to be read.
        clock: seconds.

    Attributes:
        lock: of all of this.
        turns: whose frame is next.
        delivery: results on their way.
        counter: what has been done.
        repeats: whether outputs are kept, for frames that the policy leaves out.
        in_shadow: says whether a frame that is queued gets a shadow.
    """

    def __init__(
        self,
        *,
        slots: int,
        frame: tuple[int, int, int],
        max_streams: int,
        queue: int,
        when_full: str,
        unread_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.turns = Turns(slots, frame, max_streams)
        self.delivery = Delivery(self.lock, unread_bytes, self._fail_for_callback)
        self.counter = Counter()
        self.repeats = False
        self.in_shadow: Callable[[], bool] = lambda: False
        self._frame, self._queue, self._when_full = frame, queue, when_full
        self._key = object()  # of its streams
        self._streams: dict[str, Stream] = {}  # open, or with frames left
        self._abandoned: set[Stream] = set()  # whose names are free, but not their rows
        self._names = itertools.count(1)
        self._max_streams = max_streams
        self._rows = list(reversed(range(max_streams)))
        self._urgent = 0  # streams

    @property
    def streams(self) -> list[Stream]:
        """Those that are open, or have frames left; also those that are abandoned."""
        return [*self._streams.values(), *self._abandoned]

    @property
    def named(self) -> list[Stream]:
        """Those that are open, or have frames left, and are not abandoned."""
        return list(self._streams.values())

    def __str__(self) -> str:
        """Returns how many streams there are, and how much waits."""
        streams = self.streams
        return f"{len(streams)} streams, {sum(s.left for s in streams)} frames wait"

    @property
    def hurries(self) -> bool:
        """Whether a stream has a budget or a priority, and so may need a slot before others."""
        return self._urgent > 0

    def statistics(self) -> Statistics:
        """Returns what has been done so far."""
        with self.lock:
            streams = self.streams
            waiting, held = sum(s.left for s in streams), sum(len(s.held) for s in streams)
            return self.counter.statistics(waiting, held)

    @_whole
    def open(
        self,
        name: Any,
        budget: Any,
        when_full: Any,
        on_result: Any,
        priority: Any,
        keep_frames: Any,
    ) -> Stream:
        """Opens a stream; see `StreamEngine.open`, which hands on what it was given.

        Raises:
            InputError: as there.
        """
        check_text("name", name)
        if when_full:
            checks.check_when_full(when_full)
        checks.check_on_result(on_result)
        budget, priority = checks.checked_budget(budget), whole("priority", priority, least=None)
        keep_frames = flag("keep_frames", keep_frames)
        name = name or self._free_name()
        if name in self._streams:
            raise InputError(f"a stream named {name!r} is open: choose another name")
        if not self._free_rows(1):
            raise InputError(
                f"{len(self.streams)} streams are open, as many as this engine keeps states "
                "of: close one, or make it with a larger max_streams"
            )
        when_full, row = when_full or self._when_full, self._rows.pop()
        stream = Stream(name, row, self._key, budget, when_full, on_result, priority, keep_frames)
        self._add(stream)
        return stream

    def room_for(self, names: list[str]) -> list[int]:
        """Returns rows that streams could have which were elsewhere before.

        Raises:
            InputError: if a name is in use, or there twice, or there are not as many rows.
        """
        if taken := sorted(self._streams.keys() & set(names)):
            raise InputError(f"a stream named {taken[0]!r} is open: close it first")
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"two streams are named {twice[0]!r}: give one of them another name")
        if not self._free_rows(len(names)):
            raise InputError(
                f"{len(self.streams)} streams are open, and {len(names)} more than this "
                "engine keeps states of: make it with a larger max_streams"
            )
        return self._rows[len(self._rows) - len(names) :]

    def adopt(self, streams: list[Stream]) -> None:
        """Opens streams that have the rows of `room_for`."""
        del self._rows[len(self._rows) - len(streams) :]
        for stream in streams:
            stream.owner = self._key
            self._add(stream)
            self.wait_or_forget(stream)

    def checked(self, stream: Any, frame: Any, tag: Any) -> Waiting:
        """Returns a frame that may be queued.

        Raises:
            InputError: if the stream takes none, or not this one.
        """
        self.check_own(stream)
        try:
            stream.check_takes()
            copy = checks.checked_frame(frame, self._frame)
        except InputError as error:
            raise self._refused(stream, error) from None
        return Waiting(-1, copy, self.clock(), None, False, tag=tag, time=time.time())

    @_whole
    def queued(self, stream: Stream, waiting: Waiting) -> bool:
        """Queues a frame if there is room, or can be made; once.

        Raises:
            InputError: if the stream takes no more, or too many results are unread.
        """
        if waiting.index >= 0:
            return True
        try:
            stream.check_takes()
            if stream.on_result is None and waiting.future is None:
                self.delivery.check_room()
            if not self._make_room(stream):
                return False
        except InputError as error:
            raise self._refused(stream, error) from None
        waiting.in_shadow = self.in_shadow()
        stream.put(waiting)
        if not stream.at_work and len(stream.queue) == 1:
            self.turns.wait(stream)
        return True

    def has_room(self, stream: Any) -> bool:
        """Whether another frame of a stream would be queued at once."""
        self.check_own(stream)
        return len(stream.queue) < self._queue

    def reset(self, stream: Any) -> None:
        """Makes the next frame that is submitted the first of a video."""
        with self.lock:
            self.check_own(stream)
            try:
                stream.check_takes()
            except InputError as error:
                raise InputError(f"stream {stream.name!r}: {error}") from None
            stream.begins = True

    @_whole
    def discard(self, stream: Any) -> int:
        """Drops the frames of a stream that wait; returns how many."""
        self.check_own(stream)
        count = len(stream.queue)
        for _ in range(count):
            self._drop(stream, "it was discarded")
        self._forget_if_over(stream)
        return count

    @_whole
    def close(self, stream: Any) -> None:
        """Takes no more frames of a stream."""
        self.check_own(stream)
        if stream.closed:
            raise InputError(f"stream {stream.name!r} is closed already")
        stream.closed = True
        self._forget_if_over(stream)

    @_whole
    def abandon(self, stream: Any) -> None:
        """Ends a stream whose name is free at once, and its row once the device has left it."""
        self.discard(stream)
        stream.closed = True
        known = self._streams.get(stream.name)
        if known is not None and known is stream:
            self._abandoned.add(known)  # before its name is free: its row is not
            del self._streams[known.name]
        self._forget_if_over(stream)

    def let_go(self, stream: Stream) -> None:
        """Ends a stream that goes on elsewhere."""
        self.turns.remove(stream)
        stream.let_go(InputError(f"stream {stream.name!r} was moved to another engine"))
        stream.closed = True
        self._forget_if_over(stream)

    def check_own(self, stream: Any) -> None:
        """Raises InputError unless it is a stream of this engine."""
        if not isinstance(stream, Stream):
            raise InputError(f"stream is {stream!r}: give the Stream that `open` returned")
        if stream.owner is not self._key:
            raise InputError(f"stream {stream.name!r} is of another engine")

    def check_moves(self, stream: Any) -> None:
        """Raises InputError unless a stream may go on elsewhere."""
        self.check_own(stream)
        if stream.failure:
            raise InputError(f"stream {stream.name!r}: {stream.failure}")
        if self._streams.get(stream.name) is not stream:
            raise InputError(f"stream {stream.name!r} is over")

    def repeat(self, stream: Stream) -> None:
        """Answers a frame at work by the outputs of the one before."""
        self._put_out(stream, stream.repeat(self.clock()))
        self.wait_or_forget(stream)

    def end(self, entry: int, stream: Stream, ended: Ended) -> None:
        """Ends a frame at work with what a tick has left."""
        steps = int(ended.steps[entry])
        if ended.finite[entry]:
            status = CUT if ended.cut[entry] else DONE if steps else REPEATED
            first = bool(ended.first[entry])
            self.answer(stream, status, ended.outputs, entry, steps, first=first)
        else:
            reason = "the state became NaN or infinite"
            self._put_out(stream, stream.end(FAILED, self.clock(), None, steps, reason))
            self.wait_or_forget(stream)

    def answer(
        self,
        stream: Stream,
        status: str,
        outputs: Any,
        row: int,
        steps: int,
        *,
        first: bool = False,
    ) -> None:
        """Ends a frame at work with a row of outputs."""
        # A copy, or each result would keep those of all others.
        own = jax.tree.map(lambda x: np.array(x[row]), outputs)
        if self.repeats:
            stream.outputs = jax.tree.map(np.copy, own)
        self._put_out(stream, stream.end(status, self.clock(), own, steps, first=first))
        self.wait_or_forget(stream)

    def fail(self, stream: Stream, reason: str) -> None:
        """Ends a stream with what it has left."""
        now = self.clock()
        self.turns.remove(stream)
        if stream.at_work or stream.queue:
            if not stream.at_work:
                stream.take()
            self._put_out(stream, stream.end(FAILED, now, None, 0, reason))
        else:
            stream.fail(f"it failed after frame {stream.submitted - 1}: {reason}", now)
        self._forget_if_over(stream)

    def forget_outputs(self) -> None:
        """Lets no stream repeat what it has given."""
        for stream in self.streams:
            stream.outputs = None
            self.turns.dropped(stream)

    def wait_or_forget(self, stream: Stream) -> None:
        """Puts a stream where it belongs that has no frame at work."""
        if stream.queue:
            self.turns.wait(stream)
        self._forget_if_over(stream)

    def _fail_for_callback(self, stream: Stream, error: Exception) -> None:
        """Ends a stream whose callback has raised; a frame at work is still read out."""
        if not stream.at_work:
            self.turns.remove(stream)
        reason = f"its on_result raised {type(error).__name__}: {error}"
        self._put_out(stream, stream.fail(reason, self.clock()))
        self._forget_if_over(stream)

    def _put_out(self, stream: Stream, due: list[Due]) -> None:
        for result, future in due:
            self.counter.count_result(result.status, result.seconds)
            self.delivery.put(stream, (result, future))

    def _refused(self, stream: Stream, error: InputError) -> InputError:
        with self.lock:
            self.counter.refused += 1
        return InputError(f"stream {stream.name!r}: {error}")

    def _make_room(self, stream: Stream) -> bool:
        """Does what the stream's `when_full` says, if the queue is full; not "block"."""
        while len(stream.queue) >= self._queue:
            if stream.when_full == "block":
                return False
            if stream.when_full == "error":
                raise InputError(
                    f"its queue is full ({self._queue}): submit fewer frames, make the engine "
                    'with a longer queue, or with when_full="block" or "drop_oldest"'
                )
            self._drop(stream, "newer frames came")
        return True

    def _drop(self, stream: Stream, reason: str) -> None:
        """Drops the oldest frame of a stream that waits."""
        self._put_out(stream, stream.drop(reason, self.clock()))
        if not stream.at_work:
            self.turns.dropped(stream)

    def _add(self, stream: Stream) -> None:
        self._streams[stream.name] = stream
        self._urgent += _is_urgent(stream)

    def _forget_if_over(self, stream: Stream) -> None:
        """Gives back name and row of a stream that will have no more results."""
        if not stream.closed or stream.left:
            return
        if self._streams.get(stream.name) is stream:
            del self._streams[stream.name]
        elif stream in self._abandoned:
            self._abandoned.remove(stream)
        else:
            return  # it was over before
        self._urgent -= _is_urgent(stream)
        self._rows.append(stream.row)

    def _mend(self) -> None:
        """Makes whole what an interrupted call has left: all but the streams follows from them."""
        kept = self._streams.items()
        self._streams = {n: stream for n, stream in kept if stream not in self._abandoned}
        for stream in self.streams:
            stream.mend()
            self.turns.mend(stream)
        used = {stream.row for stream in self.streams}
        self._rows = [row for row in reversed(range(self._max_streams)) if row not in used]
        self._urgent = sum(map(_is_urgent, self.streams))
        for stream in self.streams:
            self._forget_if_over(stream)

    def _free_name(self) -> str:
        while (name := str(next(self._names))) in self._streams:
            continue
        return name

    def _free_rows(self, count: int) -> bool:
        """Whether so many rows are free; frames that were put back of abandoned streams go."""
        if len(self._rows) < count:
            for stream in list(self._abandoned):
                self.discard(stream)
        return len(self._rows) >= count


def _is_urgent(stream: Stream) -> bool:
    return stream.budget is not None or stream.priority != 0
