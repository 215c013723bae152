"""What the values of `events` mean: what happens at a frame of a stream."""

from __future__ import annotations

import numpy as np

# The library has the same, because datasets are built without it and it reads them without
# builders: tests/datasets/test_contract.py compares.
EVENTS = ("start", "cut", "change", "pause")
START, CUT, CHANGE, PAUSE = range(len(EVENTS))


def events_of(frames: np.ndarray, masks: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Tells what happens at every frame.

    Args:
        frames: [T, H, W, C].
        masks: [T, H, W].
        begins: bool [T], where a video begins; the first is the start of the stream.

    Returns:
        uint8 [T], indices of `EVENTS`.
    """
    stands = np.ones(len(frames) - 1, bool)
    for pictures in (frames, masks):
        stands &= (pictures[1:] == pictures[:-1]).all(tuple(range(1, pictures.ndim)))
    events = np.full(len(frames), START, np.uint8)
    events[1:] = np.where(begins[1:], CUT, np.where(stands, PAUSE, CHANGE))
    return events
