"""Whose turn it is: streams that wait, and slots that are given to them."""

import bisect
import itertools
from typing import Any

import jax
import numpy as np

from rsf_jax.ops.pixels import as_float
from rsf_jax.streaming.slots import NO_ENTRY, Load, Look
from rsf_jax.streaming.streams import Stream

_as_float = jax.jit(as_float)


class Line:
    """Streams that wait, those of the highest priority first, then who came first."""

    def __init__(self) -> None:
        self._streams: list[Stream] = []

    def join(self, stream: Stream) -> None:
        """Puts a stream in its place."""
        bisect.insort(self._streams, stream, key=lambda s: s.turn)

    def leave(self, stream: Stream) -> bool:
        """Takes a stream out; returns whether it was there."""
        place = self._place(stream)
        if place is not None:
            del self._streams[place]
        return place is not None

    def _place(self, stream: Stream) -> int | None:
        # Turns differ, so that this is the one place where it can be.
        place = bisect.bisect_left(self._streams, stream.turn, key=lambda s: s.turn)
        found = place < len(self._streams) and self._streams[place] is stream
        return place if found else None

    def next(self, count: int) -> list[Stream]:
        """Takes out the next streams, so many or as many as there are."""
        taken, self._streams = self._streams[:count], self._streams[count:]
        return taken

    def __contains__(self, stream: Stream) -> bool:
        """Returns whether a stream is in it."""
        return self._place(stream) is not None

    def turn(self, place: int) -> tuple[int, int]:
        """Returns the turn of the stream in a place."""
        return self._streams[place].turn

    def __len__(self) -> int:
        """Returns how many wait."""
        return len(self._streams)


class Turns:
    """Slots, and the streams that wait for one.

    What the device is about to work at is taken from the lines by `look` and `load`, and confirmed
    by `seen` and `begun`, or put back: nothing is lost if the device fails.

    Args:
        slots: number of slots S.
        frame: (height, width, channels) of a frame.
        rows: number of streams, at most.

    Attributes:
        frame: as given.
    """

    def __init__(self, slots: int, frame: tuple[int, int, int], rows: int) -> None:
        self._slots: list[Stream | None] = [None] * slots
        self._ready, self._unseen = Line(), Line()  # of the latter, the policy may leave out frames
        self._looked_at: list[Stream] = []
        self._new: list[Stream] = []  # taken by `load`
        self._numbers = itertools.count()
        self.frame, self._rows = frame, rows
        # Already on the device: most ticks begin no frame.
        self._no_frames = jax.device_put(np.zeros((slots, *frame), np.float32))

    def wait(self, stream: Stream) -> None:
        """Puts a stream behind the others of its priority; it has a frame, and none at work."""
        stream.turn = (-stream.priority, next(self._numbers))
        self._line_of(stream).join(stream)

    def mend(self, stream: Stream) -> None:
        """Puts a stream where it belongs, whatever was interrupted that should have."""
        if stream in self._ready or stream in self._unseen:
            self.dropped(stream)
        elif stream.queue and not stream.at_work:
            self.wait(stream)

    def _line_of(self, stream: Stream) -> Line:
        return self._unseen if stream.may_repeat else self._ready

    def dropped(self, stream: Stream) -> None:
        """Puts a stream that waits where it belongs once its oldest frame or its output is gone."""
        was_unseen = self._unseen.leave(stream)
        was_ready = self._ready.leave(stream)
        if not stream.queue:
            return
        # One that waits for a slot keeps its place: another behind it could be dropped again.
        if was_ready:
            self._ready.join(stream)
        elif was_unseen:
            self._line_of(stream).join(stream)

    def look(self, *, hurry: bool) -> Look | None:
        """Takes frames that the policy may leave out, one a stream.

        Args:
            hurry: whether to take few; otherwise few wait for others as long as that delays nobody
                who needs a slot: each call costs as much as asking about some frames.

        Returns:
            None if there are none, or those that there are may wait.
        """
        if not self._unseen or not (hurry or self._is_worth_a_look()):
            return None
        count = len(self._slots)
        # Rows that do not exist are written nowhere.
        row = np.arange(self._rows, self._rows + count, dtype=np.int32)
        frames: dict[int, np.ndarray] = {}
        self._looked_at = self._unseen.next(count)
        for place, stream in enumerate(self._looked_at):
            row[place], frames[place] = stream.row, stream.take()[0]
        return Look(np.int32(len(frames)), self._batch(frames), row)

    def _is_worth_a_look(self) -> bool:
        """Whether a look is full, slots would be idle, or one who waits has the next turn."""
        count = len(self._slots)
        if len(self._unseen) >= count or len(self._ready) < count:
            return True
        return self._unseen.turn(0) < self._ready.turn(count - 1)

    def looked_at(self) -> list[Stream]:
        """The streams whose frames `look` has taken, in that order."""
        return self._looked_at

    def nothing(self) -> Look:
        """Returns a look at no frame."""
        count = len(self._slots)
        return Look(np.int32(0), self._no_frames, np.full(count, self._rows, np.int32))

    def seen(self, left_out: np.ndarray) -> list[Stream]:
        """Confirms what `look` has taken; frames that need a step wait for a slot.

        Args:
            left_out: bool [S], whether the policy gives a frame no step.

        Returns:
            The streams of those that are left out.
        """
        looked_at, self._looked_at = self._looked_at, []
        for stream, out in zip(looked_at, left_out):
            if not out:
                stream.put_back()
                self._ready.join(stream)
        return [stream for stream, out in zip(looked_at, left_out) if out]

    @property
    def loaded(self) -> int:
        """Slots that hold a frame."""
        return sum(stream is not None for stream in self._slots)

    def load(self, then: float, *, fill: bool) -> Load:
        """Takes frames that may begin.

        Args:
            then: frames whose deadline is before that are cut.
            fill: whether to take no more of them than there are free slots; otherwise the device
                refills slots with others as they become free.
        """
        count = len(self._slots)
        self._new = self._ready.next(count - self.loaded if fill else count)
        first, row = np.zeros(count, bool), np.zeros(count, np.int32)
        frames: dict[int, np.ndarray] = {}
        for place, stream in enumerate(self._new):
            row[place] = stream.row
            frames[place], first[place] = stream.take()
        batch = self._batch(frames) if frames else self._no_frames
        due = np.zeros(2 * count, bool)
        for entry, holder in enumerate(self._entries()):
            due[entry] = holder is not None and holder.is_due(then)
        return Load(np.int32(len(self._new)), batch, row, first, due)

    def new(self) -> list[Stream]:
        """The streams whose frames `load` has taken, in that order."""
        return self._new

    def _entries(self) -> list[Stream | None]:
        return [*self._slots, *self._new]

    def ticked(self, ended: np.ndarray, holding: np.ndarray) -> dict[int, Stream]:
        """Confirms what `load` has taken; frames that have not begun wait again.

        Args:
            ended: bool [E], entries of the tick that have ended.
            holding: int32 [S], the entry that each slot holds, or `NO_ENTRY`.

        Returns:
            The streams of those that have ended, by entry.
        """
        entries, count = self._entries(), len(self._slots)
        new, self._new = self._new, []
        held = set(holding.tolist())
        for entry, stream in enumerate(new, count):
            if ended[entry] or entry in held:
                stream.has_begun()
            else:
                stream.put_back()
                self._ready.join(stream)
        self._slots = [None if entry == NO_ENTRY else entries[entry] for entry in holding]
        return {
            entry: stream
            for entry, stream in enumerate(entries)
            if stream is not None and ended[entry]
        }

    def taken(self) -> list[Stream]:
        """Confirms what `load` has taken, of an engine that ends every frame with its tick."""
        new, self._new = self._new, []
        for stream in new:
            stream.has_begun()
        return new

    def no_load(self) -> Load:
        """Returns a load of no frame."""
        count = len(self._slots)
        row, none = np.zeros(count, np.int32), np.zeros(2 * count, bool)
        return Load(np.int32(0), self._no_frames, row, none[:count], none)

    def put_back(self) -> None:
        """Undoes `look` and `load`, as far as they are not confirmed."""
        for stream in self._new:
            stream.put_back()
            self._ready.join(stream)
        for stream in self._looked_at:
            stream.put_back()
            self._unseen.join(stream)
        self._new, self._looked_at = [], []

    def _batch(self, begun: dict[int, np.ndarray]) -> Any:
        """Returns float32 [S, H, W, I], the frames of these slots and zeros."""
        are_bytes = all(frame.dtype == np.uint8 for frame in begun.values())
        dtype = np.uint8 if are_bytes else np.float32
        frames = np.zeros((len(self._slots), *self.frame), dtype)
        for slot, frame in begun.items():
            frames[slot] = frame if are_bytes else as_float(frame)
        # A program of its own: inside the tick, another type would compile the tick anew.
        return _as_float(frames) if are_bytes else frames

    def held(self) -> dict[int, Stream]:
        """Slots that hold a frame, and whose."""
        return {slot: stream for slot, stream in enumerate(self._slots) if stream is not None}

    def rewind(self, slot: int, frame: np.ndarray) -> None:
        """Takes a frame out of its slot as if it had not begun; its stream keeps its turn.

        Args:
            slot: which one.
            frame: its pixels, [H, W, I], which its stream may have dropped.
        """
        stream, self._slots[slot] = self._slots[slot], None
        if stream is not None:
            stream.put_back(frame)
            self._ready.join(stream)

    def remove(self, stream: Stream) -> None:
        """Takes a stream out of slots and lines."""
        self._slots = [None if holder is stream else holder for holder in self._slots]
        self._ready.leave(stream)
        self._unseen.leave(stream)
