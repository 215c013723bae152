"""The thread that computes: one for an engine, so that nobody else waits for the device."""

import logging
import threading
import time

from rsf_jax.streaming import StreamEngine

_LOOK = 0.5  # seconds between two looks at an engine that nobody has woken
_AGAIN = 0.1  # seconds before another try after a failure of the device


class Runner:
    """Lets an engine compute whenever there is something to do.

    Args:
        engine: of whose streams all have an `on_result`.

    Attributes:
        failures: ticks that have failed; the engine ends the streams concerned.
        failure: what the last one of them said; empty without any.
    """

    def __init__(self, engine: StreamEngine) -> None:
        self._engine = engine
        self.failures, self.failure = 0, ""
        self._due, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="rsf_jax.serving", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Says that a frame waits."""
        self._due.set()

    @property
    def alive(self) -> bool:
        """Whether it computes."""
        return self._thread.is_alive() and not self._ends.is_set()

    def drained(self, seconds: float) -> bool:
        """Waits until nothing is left to compute; returns whether that is so in time."""
        until = time.monotonic() + seconds
        while self._engine.statistics().waiting:
            if time.monotonic() > until:
                return False
            self.wake()
            time.sleep(_LOOK / 20)
        return True

    def stop(self) -> None:
        """Ends after the tick in hand; what waits is left as it is."""
        self._ends.set()
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            self._due.clear()
            try:
                busy = self._engine.tick()
            except Exception as error:  # of any device or policy
                logging.getLogger(__name__).error("a tick has failed", exc_info=error)
                self.failures += 1
                self.failure = f"{type(error).__name__}: {error}"
                busy = True
                time.sleep(_AGAIN)
            if not busy:
                self._due.wait(_LOOK)
