"""How many recurrent steps a frame needs, from the distance that news has to travel in it."""

from __future__ import annotations

from typing import Any

import numpy as np

CELL = 3  # pixels from cell to cell
# Pixels that a recurrent step can carry news: two convolutions of 9x9 in it, one after the other,
# of 4 pixels each.
REACH = 8


def steps_needed(distance: Any, reach: int = REACH) -> np.ndarray:
    """Steps in which a flood of some reach has covered a distance.

    It is a yardstick and no bound: what floods along the passages is done after so many steps, and
    can be faster around a corner, which is nearer in a straight line.

    Args:
        distance: pixels, whole numbers of any shape, such as a dataset's `distance`.
        reach: pixels that a step covers; of two convolutions with kernels of k x k pixels, k - 1.

    Returns:
        int32 of that shape, distance / reach, rounded up.

    Raises:
        ValueError: if reach is below 1, or a distance below 0.
    """
    if reach < 1:
        raise ValueError(f"reach={reach!r} is not possible: it must be at least 1; raise it.")
    distance = np.asarray(distance)
    if (distance < 0).any():
        raise ValueError(
            f"distance={distance.min()} is not possible: it must be 0 or above; give pixels."
        )
    return (-(-distance // reach)).astype(np.int32)
