"""Work that Ctrl-C must not end halfway."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Apart:
    """A thread that is never interrupted, for work of the main thread.

    Ctrl-C raises in the main thread, wherever that is: between a frame that has left its slot and
    its result, it would be lost. Other threads are never interrupted.

    Attributes:
        thread: which ends with who holds this.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, "stream_engine")

    def __call__(self, work: Callable[[], T]) -> T:
        """Does the work, and returns or raises what comes of it."""
        if threading.current_thread() is threading.main_thread():
            return self.thread.submit(work).result()
        return work()
