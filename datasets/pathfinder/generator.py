"""Generator: one image of Pathfinder as a pure function of settings, seed and index."""

from __future__ import annotations

import numpy as np
from contours.drawing import redraw
from contours.geometry import SUPERSAMPLING
from contours.layout import lay_out
from generated_videos.checks import require_index
from generated_videos.parallel import Example

from pathfinder.settings import Settings

# Stream of the random generator that chooses what is marked; layout attempts use 1, 2, ...
MARK_STREAM = 0
LONG = 2  # contours that could be the marked one


def image(settings: Settings, seed: int, index: int) -> Example:
    """Makes image `index`: the same bytes wherever, whenever and in whatever order.

    Args:
        settings: settings of the subset.
        seed: seed of the subset, 0 or above.
        index: number of the image, 0 or above.

    Returns:
        A video of one frame: `video` int (index), `frames` uint8 [1, H, W, 1], `masks` uint8
        [1, H, W] (0 or 1; the marked contour without the disc), `lengths` int32 [1, contours]
        (segments), `target` int32 [1], `marker` float32 [2] (x, y of the disc's center, pixels),
        `segments` float32 [sum(lengths), 3], `layout_attempts` int, `relaxation` int.

    Raises:
        ValueError: when seed or index is negative, or the contours do not fit into the frame.
    """
    require_index(seed, index)
    rng = np.random.default_rng([seed, index, MARK_STREAM])
    # The contour that is placed first has the most room: it must not be the target always.
    target = rng.integers(LONG, size=1).astype(np.int32)
    at_end = bool(rng.integers(2))
    short = [settings.distractor_length] * settings.distractors
    lengths = np.array([[settings.length] * LONG + short], np.int32)
    layout = lay_out(settings.geometry, lengths[0], seed, index)
    frames, masks = redraw(settings.geometry, layout.segments, lengths, target)
    first = int(target[0]) * settings.length
    marked = first + (settings.length - 1 if at_end else 0)
    marker = layout.segments[marked, :2]
    disc = draw_disc(marker, settings.marker_radius, masks.shape[1:])
    return {
        "video": index,
        "frames": np.maximum(frames, disc[None, ..., None]),
        "masks": masks,
        "lengths": lengths,
        "target": target,
        "marker": marker,
        "segments": layout.segments,
        "layout_attempts": layout.attempts,
        "relaxation": layout.relaxation,
    }


def draw_disc(center: np.ndarray, radius: float, shape: tuple[int, int]) -> np.ndarray:
    """A white, anti-aliased disc: uint8 [H, W]; `center` is (x, y) in pixels."""
    y, x = (
        (np.arange(size * SUPERSAMPLING, dtype=np.float32) + 0.5) / SUPERSAMPLING for size in shape
    )
    inside = (x - center[0]) ** 2 + (y[:, None] - center[1]) ** 2 <= np.float32(radius) ** 2
    parts = inside.reshape(shape[0], SUPERSAMPLING, shape[1], SUPERSAMPLING)
    return np.rint(parts.sum((1, 3)) * 255 / SUPERSAMPLING**2).astype(np.uint8)
