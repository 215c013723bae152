"""Writes what becomes of a video's frames, in a thread of its own."""

import dataclasses
import threading
from collections import deque

from rsf_jax.errors import InputError
from rsf_jax.media.outputs import Outputs
from rsf_jax.media.pictures import Picture
from rsf_jax.streaming import FrameResult

# Results that may wait: drawing and encoding a frame takes longer than a small model does.
_MOST, _MOST_BYTES = 4, 2**24


class Recorder:
    """Draws, encodes and writes results while others are computed.

    Attributes:
        undrawn: frames that the video leaves out because their drawing would have come too late.
        problem: why nothing more is written; empty while it is.

    Args:
        outputs: files that are written.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self.undrawn, self.problem = 0, ""
        self._waiting: deque[tuple[FrameResult, Picture, bool]] = deque()
        # Taken by itself: a Condition that Ctrl-C ends while it is taken stays locked.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._ends = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def has_room(self) -> bool:
        """Whether it keeps up."""
        waiting = list(self._waiting)
        held = sum(picture.nbytes for _, picture, _ in waiting)
        return not waiting or (len(waiting) < _MOST and held < _MOST_BYTES)

    def put(self, result: FrameResult, picture: Picture, may_skip: bool) -> None:
        """Takes a result.

        Args:
            result: of the frame; its `outputs` are a class map [H, W] of each of the picture's.
            picture: the frame.
            may_skip: whether the video may do without it, as it may of a live source.
        """
        with self._lock:
            draw = self.has_room or not may_skip
            self.undrawn += not draw
            # Of what is not drawn no pixels wait: there may be many, while one is encoded.
            self._waiting.append((result, picture if draw else picture.lean(), draw))
            self._changed.notify()

    def finish(self) -> None:
        """Writes what waits, and completes the files; of one that could not be nothing is left."""
        with self._lock:
            self._ends = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (one := self._next()) is not None:
            if not self.problem:
                self._write(*one)
        self._complete()

    def _next(self) -> tuple[FrameResult, Picture, bool] | None:
        with self._lock:
            self._changed.wait_for(lambda: self._waiting or self._ends)
            return self._waiting.popleft() if self._waiting else None

    def _write(self, result: FrameResult, picture: Picture, draw: bool) -> None:
        try:
            if result.outputs is not None:
                result = dataclasses.replace(result, outputs=picture.mask(result.outputs))
            self._outputs.write(result, picture, draw=draw)
        except InputError as error:
            self.problem = str(error)
        except Exception as error:  # of an encoder
            self.problem = f"it cannot be written on: {type(error).__name__}: {error}"

    def _complete(self) -> None:
        if self.problem:
            self._outputs.discard()
            return
        try:
            self._outputs.close()
        except InputError as error:
            self.problem = str(error)
