"""How a stored frame is turned and mirrored to stand upright."""

import math
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av.sidedata import sidedata


class Orientation(NamedTuple):
    """What is done to a stored frame before it is shown: first mirrored, then turned.

    The eight of them are those that display matrices of videos and EXIF tags of photographs tell.

    Attributes:
        turns: quarters, counterclockwise.
        mirrored: whether left and right change places first.
    """

    turns: int = 0
    mirrored: bool = False

    def applied(self, image: np.ndarray) -> np.ndarray:
        """Returns an image [h, w, ...] upright."""
        flipped = image[:, ::-1] if self.mirrored else image
        return np.ascontiguousarray(np.rot90(flipped, self.turns))

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Returns (height, width) of a frame once it is upright, or the other way around."""
        return (width, height) if self.turns % 2 else (height, width)


def orientation(frame: av.VideoFrame) -> Orientation:
    """Returns what a frame says of itself; as it is stored if it says nothing.

    Angles between quarters, which nothing in use writes, are rounded.
    """
    try:
        # Not `frame.side_data`: a frame and what that gives would hold each other, and the pixels
        # of dozens of frames wait for Python to look for such cycles.
        data = cast(Any, sidedata.SideDataContainer)(frame).get("DISPLAYMATRIX")
    except ValueError:  # PyAV gives none, if it does not know one of the frame's kinds of data
        return Orientation(round(frame.rotation / 90) % 4)
    return Orientation() if data is None else of_matrix(np.frombuffer(bytes(data), np.int32))


def of_matrix(matrix: np.ndarray) -> Orientation:
    """Returns what a display matrix says.

    Args:
        matrix: int32 [9], row by row: (x, y) is shown at (a x + c y, b x + d y), y downwards, where
            a, b are its first two entries and c, d the fourth and fifth.
    """
    a, b, c, d = (float(matrix[n]) for n in (0, 1, 3, 4))
    if a * d == b * c:  # it says nothing
        return Orientation()
    mirrored = a * d < b * c
    # Where the right is shown; mirrored, it was on the left.
    right = (-a, -b) if mirrored else (a, b)
    return Orientation(round(math.atan2(-right[1], right[0]) / (math.pi / 2)) % 4, mirrored)
