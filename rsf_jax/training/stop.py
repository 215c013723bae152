"""When to end a run early, and cleanly."""

import signal
import time
from types import FrameType
from typing import Any


class StopRequest:
    """Asks a run to end after the update in hand: at SIGTERM, Ctrl-C, or when its time is over.

    Args:
        max_minutes: time from now on; 0 for no limit.
    """

    def __init__(self, max_minutes: float = 0.0) -> None:
        self._deadline = time.monotonic() + 60 * max_minutes if max_minutes else None
        self._signal: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def reason(self) -> str | None:
        """Why to stop now, None to go on."""
        if self._signal is not None:
            return f"{signal.Signals(self._signal).name} received"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "config.max_minutes is over"
        return None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # a second Ctrl-C does not wait
        self._signal = number
