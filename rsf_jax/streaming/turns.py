"""Whose turn it is: streams that wait, and slots that are given to them."""

from collections import deque
from typing import Any

import jax
import numpy as np

from rsf_jax.streaming.program import Load
from rsf_jax.streaming.streams import Stream


class Turns:
    """Slots, and the streams that wait for one.

    Args:
        slots: number of slots S.
        frame: (height, width, channels) of a frame.
    """

    def __init__(self, slots: int, frame: tuple[int, int, int]) -> None:
        self._slots: list[Stream | None] = [None] * slots
        self._ready: deque[Stream] = deque()
        self._frame = frame
        # Already on the device: most ticks begin no frame.
        self._no_frames = jax.device_put(np.zeros((slots, *frame), np.float32))

    def wait(self, stream: Stream) -> None:
        """Puts a stream behind the others; it has a frame that waits, and none in a slot."""
        self._ready.append(stream)

    def withdraw(self, stream: Stream) -> None:
        """Takes a stream out of the line."""
        self._ready.remove(stream)

    @property
    def loaded(self) -> int:
        """Slots that hold a frame."""
        return sum(stream is not None for stream in self._slots)

    def load(self, then: float) -> Load:
        """Gives free slots to streams that wait.

        Args:
            then: frames whose deadline is before that are cut.
        """
        count = len(self._slots)
        mask, first = np.zeros(count, bool), np.zeros(count, bool)
        row = np.zeros(count, np.int32)
        frames: Any = self._no_frames
        for slot, holder in enumerate(self._slots):
            if holder is not None or not self._ready:
                continue
            if not mask.any():
                frames = np.zeros((count, *self._frame), np.float32)
            stream = self._slots[slot] = self._ready.popleft()
            mask[slot], first[slot], row[slot] = True, not stream.begun, stream.row
            frames[slot] = stream.begin()
        due = [stream is not None and stream.is_due(then) for stream in self._slots]
        return Load(mask, frames, row, first, np.array(due))

    def free(self, slot: int) -> Stream:
        """Takes a stream out of its slot."""
        stream, self._slots[slot] = self._slots[slot], None
        if stream is None:
            raise RuntimeError(f"slot {slot} is empty")
        return stream
