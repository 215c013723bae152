"""When to end a run early, and cleanly, and when to save it."""

import os
import signal
import socket
import threading
import time
from types import FrameType
from typing import Any

# What a terminal sends that is closed, and schedulers ahead of their end; not on every system.
_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
_SAVES = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []
# Seconds after which a second Ctrl-C ends the process, whatever it is doing.
_PATIENCE = 1.0

_received: list[int] = []


def received_signal() -> int | None:
    """Returns the signal by which a run of this process was last ended, None if none was."""
    return _received[-1] if _received else None


class StopRequest:
    """Asks a run to end after the update in hand, or to save.

    To end: at SIGTERM, SIGHUP and Ctrl-C, or when its time is over. To save and go on: at SIGUSR1,
    or when `save_minutes` have passed since it last saved. In another thread than the main one,
    which alone hears of signals, time alone asks for either.

    Args:
        max_minutes: time from now on; 0 for no limit.
        save_minutes: longest time without saving; 0 for no limit.
        ending: what is said at once when a signal asks to end.
    """

    def __init__(
        self,
        max_minutes: float = 0.0,
        save_minutes: float = 0.0,
        ending: str = "the run ends after this update",
    ) -> None:
        self._ending = ending
        self._deadline = time.monotonic() + 60 * max_minutes if max_minutes else None
        self._save_minutes, self._saved = save_minutes, time.monotonic()
        self._signal: int | None = None
        self._asked_to_save = False
        self._previous: dict[int, Any] = {}
        self._watch: _Watch | None = None

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is not threading.main_thread():
            return self
        self._watch = _Watch(self._ending)
        for number in (*_ENDS, *_SAVES):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._watch is not None:
            self._watch.end()
        if self._signal is not None:
            _received.append(self._signal)

    @property
    def reason(self) -> str | None:
        """Why to stop now, None to go on."""
        if self._signal is not None:
            return f"{signal.Signals(self._signal).name} received"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "config.max_minutes is over"
        return None

    @property
    def wants_save(self) -> bool:
        """Whether to save now."""
        late = self._save_minutes and time.monotonic() >= self._saved + 60 * self._save_minutes
        return self._asked_to_save or bool(late)

    def saved(self) -> None:
        """Notes that the run has been saved."""
        self._asked_to_save, self._saved = False, time.monotonic()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number in _SAVES:
            self._asked_to_save = True
            return
        if self._signal is not None and number == signal.SIGINT:
            if self._watch is not None:
                self._watch.served()
            raise KeyboardInterrupt  # a second Ctrl-C does not wait
        self._signal = number


class _Watch:
    """Hears of signals while the main thread computes.

    Python runs a handler when its main thread returns from XLA, minutes later perhaps; two signals
    until then are one to it. What arrives is written to a socket at once, which a thread reads.
    """

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._ours, self._written = socket.socketpair()
        self._written.setblocking(False)
        self._before = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        self._served = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def served(self) -> None:
        """Says that the main thread has taken the second interrupt."""
        self._served.set()

    def end(self) -> None:
        signal.set_wakeup_fd(self._before)
        self._written.close()
        self._thread.join()
        self._ours.close()

    def _listen(self) -> None:
        heard: list[int] = []
        while content := self._ours.recv(16):
            for number in content:
                if number in _ENDS:
                    self._hear(heard, number)

    def _hear(self, heard: list[int], number: int) -> None:
        name = signal.Signals(number).name
        if not heard:
            again = "; once more to end at once" if number == signal.SIGINT else ""
            print(f"{name} received: {self._ending}{again}", flush=True)
        elif number == signal.SIGINT and not self._served.wait(_PATIENCE):
            print("interrupted", flush=True)
            os._exit(128 + number)
        heard.append(number)
