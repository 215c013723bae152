"""Pictures: the frames of a video side by side, with the target in red."""

from __future__ import annotations

import numpy as np
from generated_videos.parallel import Example

TARGET_COLOR = np.array([255, 70, 60], np.float32)
LINE = 96  # gray of the line between two frames


def strip(example: Example, enlarge: int) -> np.ndarray:
    """All frames of a video side by side.

    Args:
        example: a video; the target's ink is tinted, the mask's edge pixels included.
        enlarge: whole factor by which pixels are repeated.

    Returns:
        uint8 [H', W', 3].
    """
    gray = example["frames"].astype(np.float32)
    marked = example["masks"][..., None] > 0
    color = np.where(marked, gray / 255 * TARGET_COLOR, gray).astype(np.uint8)
    color = color.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    line = np.full((color.shape[1], enlarge, 3), LINE, np.uint8)
    parts = [line]
    for frame in color:
        parts += [frame, line]
    row = np.concatenate(parts, axis=1)
    edge = np.full((enlarge, row.shape[1], 3), LINE, np.uint8)
    return np.concatenate([edge, row, edge])
