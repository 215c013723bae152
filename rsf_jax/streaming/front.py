"""What every engine offers of its streams, whatever it computes of their frames."""

import abc
import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from rsf_jax.streaming.apart import Apart
from rsf_jax.streaming.books import Books
from rsf_jax.streaming.statistics import Counter, Statistics
from rsf_jax.streaming.streams import FrameResult, Stream


class Front(abc.ABC):
    """Frames in, results out. An engine has books, and lets the device work.

    Work is done by whoever waits for it: `tick`, `results`, `answer`, or a `submit` to a full
    queue. All methods may be called from several threads.
    """

    _books: Books
    _apart: Apart  # does the work of this engine

    @abc.abstractmethod
    def _work(self) -> bool:
        """Lets the device work, and delivers nothing; returns whether there was anything to do."""

    def tick(self) -> bool:
        """Computes what is due, and hands out the results.

        Returns:
            Whether there was anything to do.
        """
        busy = self._books.delivery.deliver()
        busy |= self._apart(self._work)
        return self._books.delivery.deliver() or busy

    def submit(self, stream: Stream, frame: Any, tag: Any = None) -> int:
        """Queues the next frame of a stream.

        Args:
            stream: an open stream.
            frame: uint8, or float32 in 0..1, [H, W, I].
            tag: whatever its result is to carry.

        Returns:
            The frame's number in its stream.

        Raises:
            InputError: if the stream is closed, has failed or is another engine's, the frame is of
                another size or type, or holds NaN, too many results are unread, or the queue is
                full and `when_full` is "error". The frame is then counted as refused, and the
                stream is as it was.
        """
        waiting = self._books.checked(stream, frame, tag)
        while not self._books.queued(stream, waiting):
            self.tick()
        return waiting.index

    async def answer(self, stream: Stream, frame: Any, tag: Any = None) -> FrameResult:
        """Queues the next frame of a stream and returns its result; for programs with asyncio.

        The event loop goes on meanwhile; frames of several streams that are awaited together are
        computed together. The result goes to no callback and not to `results`.

        Args:
            stream: an open stream.
            frame: uint8, or float32 in 0..1, [H, W, I].
            tag: whatever its result is to carry.

        Raises:
            InputError: as `submit`.
        """
        waiting = self._books.checked(stream, frame, tag)
        waiting.future = Future()
        while not self._books.queued(stream, waiting) or not waiting.future.done():
            await asyncio.wrap_future(self._apart.submit(self._work))
            self._books.delivery.deliver()
        return waiting.future.result()

    def reset(self, stream: Stream) -> None:
        """Makes the next frame that is submitted the first of a video.

        Nothing of frames before is used for it: no state, no memory of the policy, no maps. Frames
        that wait belong to the video before.

        Raises:
            InputError: if the stream is closed, has failed or is another engine's.
        """
        self._books.reset(stream)

    def has_room(self, stream: Stream) -> bool:
        """Whether another frame of a stream would be queued at once.

        Raises:
            InputError: if it is a stream of another engine.
        """
        return self._books.has_room(stream)

    def discard(self, stream: Stream) -> int:
        """Drops the frames of a stream that wait; returns how many.

        Raises:
            InputError: if it is a stream of another engine.
        """
        return self._books.discard(stream)

    def close(self, stream: Stream) -> None:
        """Takes no more frames of a stream; those that wait are still computed, or see `discard`.

        Raises:
            InputError: if it is closed already, or another engine's.
        """
        self._books.close(stream)

    def abandon(self, stream: Stream) -> None:
        """Ends a stream that nobody waits for, be it open, closed or failed.

        Frames that wait are dropped; of one at work the result still comes, if it is read. The
        name may be used again at once. There is room for another stream once the device has ended
        the frame at work.

        Raises:
            InputError: if it is a stream of another engine.
        """
        self._books.abandon(stream)

    def results(self) -> Iterator[FrameResult]:
        """Yields results, in order within a stream, and computes until none is left to come."""
        return self._books.delivery.results(self.tick)

    def poll(self) -> list[FrameResult]:
        """Returns the results that are there, without computing."""
        return self._books.delivery.poll()

    @property
    def streams(self) -> list[Stream]:
        """Those that are open, or have frames left."""
        with self._books.lock:
            return self._books.named

    def statistics(self) -> Statistics:
        """Returns what has been done so far."""
        return self._books.statistics()

    def reset_statistics(self) -> None:
        """Counts from here on."""
        with self._books.lock:
            self._books.counter = Counter()
