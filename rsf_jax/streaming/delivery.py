"""What has become of frames, on its way to who asked for it."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from rsf_jax.errors import InputError
from rsf_jax.streaming.streams import Due, FrameResult, Stream

# What a result weighs besides its arrays; about.
_RESULT_BYTES = 500


class Delivery:
    """Results that wait to be read, and callbacks that wait to be called.

    Callbacks run without the lock, one at a time: those of a stream come in order, and one that
    calls the engine, which may end further frames, is not called again before it returns.

    Args:
        books: the engine's lock, which may be held when a method is called.
        most: bytes of results that nobody has read.
        on_failure: called with a stream whose callback has raised, and what.
    """

    def __init__(
        self,
        books: AbstractContextManager[Any],
        most: int,
        on_failure: Callable[[Stream, Exception], None],
    ) -> None:
        self._books, self._most, self._on_failure = books, most, on_failure
        self._calls: deque[tuple[Stream | None, Callable[[Any], Any], Any]] = deque()
        self._results: deque[FrameResult] = deque()
        self._bytes = 0
        self._calling = False

    def put(self, stream: Stream, due: Due) -> None:
        """Takes a result."""
        result, future = due
        if future is not None:
            # One that was given up is delivered to nobody else.
            if future.set_running_or_notify_cancel():
                future.set_result(result)
        elif stream.on_result is not None:
            self._calls.append((stream, stream.on_result, result))
        else:
            self._results.append(result)
            self._bytes += _RESULT_BYTES + result.nbytes

    def call(self, function: Callable[[Any], Any], value: Any) -> None:
        """Takes a call that belongs to no stream: what it raises goes to who delivers."""
        self._calls.append((None, function, value))

    def check_room(self) -> None:
        """Raises InputError if too much waits to be read."""
        if self._bytes > self._most:
            raise InputError(
                f"{len(self._results)} results wait to be read, {self._bytes / 1e9:.2g} GB: take "
                "them with results() or poll(), open streams with on_result, or make the engine "
                "with more unread_bytes"
            )

    def deliver(self) -> bool:
        """Calls what waits to be called, unless another call does.

        Returns:
            Whether there was anything.
        """
        any_called = mine = False
        try:
            with self._books:
                if self._calling:
                    return False
                # At once: between two statements Ctrl-C may come, and nobody would call any more.
                self._calling = mine = True
            while (due := self._next_call()) is not None:
                any_called = True
                self._call(*due)
        except BaseException:
            if mine:
                self._calling = False
            raise
        return any_called

    def _next_call(self) -> tuple[Stream | None, Callable[[Any], Any], Any] | None:
        with self._books:
            if self._calls:
                return self._calls.popleft()
            # Here, or a result that comes between would be left by both.
            self._calling = False
            return None

    def _call(self, stream: Stream | None, function: Callable[[Any], Any], value: Any) -> None:
        if stream is None:
            function(value)
            return
        try:
            function(value)
        except Exception as error:
            logging.getLogger(__name__).error(
                "on_result of stream %r raised; the stream has failed", stream.name, exc_info=error
            )
            with self._books:
                self._to_results(stream)
                self._on_failure(stream, error)

    def _to_results(self, stream: Stream) -> None:
        """Leaves what the callback of a stream was to be called with to who reads."""
        stream.on_result, calls = None, self._calls
        self._calls = deque(call for call in calls if call[0] is not stream)
        for call in calls:
            if call[0] is stream:
                self.put(stream, (call[2], None))

    def pop(self) -> FrameResult | None:
        """Returns the oldest result that nobody has read, None without any."""
        with self._books:
            if not self._results:
                return None
            result = self._results.popleft()
            self._bytes -= _RESULT_BYTES + result.nbytes
            return result

    def results(self, tick: Callable[[], bool]) -> Iterator[FrameResult]:
        """Yields results, and computes until none is left to come.

        Args:
            tick: computes; returns whether there was anything to do.
        """
        while True:
            result = self.pop()
            if result is None and not tick():
                result = self.pop()  # of another thread's tick
                if result is None:
                    return
            if result is not None:
                yield result

    def poll(self) -> list[FrameResult]:
        """Calls what waits to be called; returns all results that nobody has read."""
        self.deliver()
        with self._books:
            results, self._results, self._bytes = list(self._results), deque(), 0
            return results
