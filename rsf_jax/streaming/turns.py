"""Whose turn it is: streams that wait, and slots that are given to them."""

from collections import deque
from typing import Any

import jax
import numpy as np

from rsf_jax.ops.pixels import as_float
from rsf_jax.streaming.program import Load
from rsf_jax.streaming.streams import Stream

_as_float = jax.jit(as_float)


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
        begun: dict[int, np.ndarray] = {}
        for slot, holder in enumerate(self._slots):
            if holder is not None or not self._ready:
                continue
            stream = self._slots[slot] = self._ready.popleft()
            mask[slot], first[slot], row[slot] = True, not stream.begun, stream.row
            begun[slot] = stream.begin()
        due = [stream is not None and stream.is_due(then) for stream in self._slots]
        return Load(mask, self._frames(begun), row, first, np.array(due))

    def _frames(self, begun: dict[int, np.ndarray]) -> Any:
        """Returns float32 [S, H, W, I], the frames of these slots and zeros."""
        if not begun:
            return self._no_frames
        are_bytes = all(frame.dtype == np.uint8 for frame in begun.values())
        dtype = np.uint8 if are_bytes else np.float32
        frames = np.zeros((len(self._slots), *self._frame), dtype)
        for slot, frame in begun.items():
            frames[slot] = frame if are_bytes else as_float(frame)
        # A program of its own: inside the tick, another type would compile the tick anew.
        return _as_float(frames) if are_bytes else frames

    def free(self, slot: int) -> Stream:
        """Takes a stream out of its slot."""
        stream, self._slots[slot] = self._slots[slot], None
        if stream is None:
            raise RuntimeError(f"slot {slot} is empty")
        return stream
