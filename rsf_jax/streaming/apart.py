"""Work that Ctrl-C must not end halfway."""

import atexit
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Work = SimpleQueue[Callable[[], Any] | None]
_threads: "weakref.WeakKeyDictionary[threading.Thread, _Work]" = weakref.WeakKeyDictionary()


class Apart:
    """A thread that is never interrupted, for work of the main thread.

    Ctrl-C raises in the main thread, wherever that is: between a frame that has left its slot and
    its result, it would be lost. Other threads are never interrupted.

    The thread ends with who holds this.
    """

    # What the main thread shares with the other is written in C: a queue, plain locks. Those of
    # Python (Condition, Event, Semaphore, all of concurrent.futures) can be interrupted between
    # taking a lock and saying so, and stay locked for ever.

    def __init__(self) -> None:
        self._work: _Work = SimpleQueue()
        name, given = "stream_engine", (self._work,)
        # Begun at once: what waits for it to begin could be interrupted later.
        thread = threading.Thread(target=_run, name=name, args=given, daemon=True)
        thread.start()
        _threads[thread] = self._work
        weakref.finalize(self, self._work.put, None)

    def __call__(self, work: Callable[[], T]) -> T:
        """Does the work, and returns or raises what comes of it."""
        if threading.current_thread() is not threading.main_thread():
            return work()
        found: list[tuple[Any, BaseException | None]] = []
        done = threading.Lock()
        done.acquire()

        def run() -> None:
            try:
                found.append((work(), None))
            except BaseException as error:  # of who waits
                found.append((None, error))
            done.release()

        self._work.put(run)
        done.acquire()
        value, error = found.pop()
        if error is None:
            return value
        try:
            raise error
        finally:
            del error  # which holds this frame

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Does the work some time; for asyncio, which interrupts nothing."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # of who waits
                future.set_exception(error)

        self._work.put(run)
        return future


def _run(work: _Work) -> None:
    while (one := work.get()) is not None:
        one()
        del one  # or the engine would be held until the next


@atexit.register
def _end_all() -> None:
    """Lets the device finish what it is at: it must not outlive the interpreter."""
    for thread, work in list(_threads.items()):
        work.put(None)
        thread.join()
