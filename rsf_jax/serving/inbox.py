"""Results on their way from the thread that computes to the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Inbox:
    """Calls functions in the event loop's thread, in the order in which they were put.

    What is put while the loop has not looked yet is fetched by one look: to wake the loop for each
    result would let it take turns with the thread that computes.

    Args:
        loop: that calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._woken = False

    def put(self, function: Callable[[Any], None], value: Any) -> None:
        """Lets the loop call a function with a value; from any thread."""
        self._calls.append((function, value))
        # Behind the line above: who sees that the loop was woken has been seen by it.
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        self._woken = False  # before the calls are fetched, or one that comes now would be left
        while self._calls:
            function, value = self._calls.popleft()
            function(value)
