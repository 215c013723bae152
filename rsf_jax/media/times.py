"""When frames are shown: the times of a source, made to go forward."""

import math
import time
from collections.abc import Callable

_JUMP = 1.0  # seconds by which a live source may be off before it has begun anew


class Times:
    """Seconds of frames after the first.

    Times of a source may be missing; they go back where a file is two joined ones; and those of a
    camera that was away and is back begin somewhere. Those of a live source follow the clock then.

    Args:
        live: whether frames arrive in their own time.
        clock: seconds.
    """

    def __init__(self, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._live, self._clock = live, clock
        self._began: float | None = None  # on the clock
        self._offset = 0.0
        self._offset_before = math.nan  # the frame before, if that went back
        self._last = 0.0

    def of(self, stated: float | None, each: float) -> float:
        """Returns seconds after the first frame.

        Args:
            stated: by the source; None if it states nothing.
            each: seconds from frame to frame, as far as that is known.
        """
        now = self._clock()
        if self._began is None:
            self._began, self._offset = now, -(stated or 0.0)
            return 0.0
        arrived = now - self._began
        found = self._last + each if stated is None else stated + self._offset
        if self._live and abs(found - arrived) > _JUMP:
            found = max(arrived, self._last)
        elif stated is not None and self._was_one_frame(stated, each):
            found = max(self._last, stated + self._offset_before)
        elif found < self._last:
            self._offset_before, found = self._offset, self._last + each
        else:
            self._offset_before = math.nan
        if stated is not None:
            self._offset = found - stated
        self._last = found
        return found

    def _was_one_frame(self, stated: float, each: float) -> bool:
        """Whether the frame before alone went back, as lost packets make it, and no second file."""
        return 0 <= stated + self._offset_before - self._last + each <= _JUMP
