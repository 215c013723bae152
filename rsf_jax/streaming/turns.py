"""Whose turn it is: streams that wait, and slots that are given to them."""

import itertools
from collections import deque
from typing import Any

import jax
import numpy as np

from rsf_jax.ops.pixels import as_float
from rsf_jax.streaming.program import Load, Look
from rsf_jax.streaming.streams import Stream

_as_float = jax.jit(as_float)


class Turns:
    """Slots, and the streams that wait for one.

    Args:
        slots: number of slots S.
        frame: (height, width, channels) of a frame.
        rows: number of streams, at most.
    """

    def __init__(self, slots: int, frame: tuple[int, int, int], rows: int) -> None:
        self._slots: list[Stream | None] = [None] * slots
        self._ready: deque[Stream] = deque()
        self._unseen: deque[Stream] = deque()  # the policy may leave out their next frame
        self._frame, self._rows = frame, rows
        # Already on the device: most ticks begin no frame.
        self._no_frames = jax.device_put(np.zeros((slots, *frame), np.float32))

    def wait(self, stream: Stream) -> None:
        """Puts a stream behind the others; it has a frame that waits, and none in a slot."""
        (self._unseen if stream.may_repeat else self._ready).append(stream)

    def dropped(self, stream: Stream) -> None:
        """Puts a stream that waits where it belongs once its oldest frame is gone."""
        line = self._unseen if stream in self._unseen else self._ready
        # One that waits for a slot keeps its place: another behind it could be dropped again.
        if not stream.queue:
            line.remove(stream)
        elif line is self._unseen and not stream.may_repeat:
            line.remove(stream)
            self._ready.append(stream)

    def look(self) -> Look | None:
        """Returns frames that the policy may leave out, one a stream; None if there are none."""
        if not self._unseen:
            return None
        count = len(self._slots)
        # Rows that do not exist are written nowhere.
        row = np.arange(self._rows, self._rows + count, dtype=np.int32)
        frames: dict[int, np.ndarray] = {}
        for place, stream in enumerate(self.looked_at()):
            row[place], frames[place] = stream.row, stream.queue[0].frame
        return Look(self._batch(frames), row)

    def looked_at(self) -> list[Stream]:
        """The streams whose frames `look` returns, in that order."""
        return list(itertools.islice(self._unseen, len(self._slots)))

    def nothing(self) -> Look:
        """Returns a look at no frame."""
        count = len(self._slots)
        return Look(self._no_frames, np.full(count, self._rows, np.int32))

    def seen(self, left_out: np.ndarray) -> list[Stream]:
        """Takes what `look` returned out of its line; those that need a step wait for a slot.

        Args:
            left_out: bool [S], whether the policy gives a frame no step.

        Returns:
            The streams of those that are left out.
        """
        looked_at = [self._unseen.popleft() for _ in range(min(len(left_out), len(self._unseen)))]
        self._ready.extend(s for s, out in zip(looked_at, left_out) if not out)
        return [s for s, out in zip(looked_at, left_out) if out]

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
            mask[slot], row[slot] = True, stream.row
            begun[slot], first[slot] = stream.begin()
        due = [stream is not None and stream.is_due(then) for stream in self._slots]
        frames = self._batch(begun) if begun else self._no_frames
        return Load(mask, frames, row, first, np.array(due))

    def _batch(self, begun: dict[int, np.ndarray]) -> Any:
        """Returns float32 [S, H, W, I], the frames of these slots and zeros."""
        are_bytes = all(frame.dtype == np.uint8 for frame in begun.values())
        dtype = np.uint8 if are_bytes else np.float32
        frames = np.zeros((len(self._slots), *self._frame), dtype)
        for slot, frame in begun.items():
            frames[slot] = frame if are_bytes else as_float(frame)
        # A program of its own: inside the tick, another type would compile the tick anew.
        return _as_float(frames) if are_bytes else frames

    def holder(self, slot: int) -> Stream | None:
        """Returns the stream in a slot."""
        return self._slots[slot]

    def free(self, slot: int) -> Stream:
        """Takes a stream out of its slot."""
        stream, self._slots[slot] = self._slots[slot], None
        if stream is None:
            raise RuntimeError(f"slot {slot} is empty")
        return stream
