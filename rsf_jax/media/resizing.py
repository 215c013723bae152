"""Frames and class maps in another size."""

from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import Interpolation

from rsf_jax.media.colors import matrix_of


def resized(frame: av.VideoFrame, height: int, width: int) -> np.ndarray:
    """Returns a decoded frame in a size, uint8 [height, width, 3].

    An area mean lets no pixel of the original go unseen, but makes blocks where it enlarges: there
    it is bicubic.
    """
    shrinks = height <= frame.height and width <= frame.width
    found = frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=matrix_of(frame),
        interpolation=Interpolation.AREA if shrinks else Interpolation.BICUBIC,
    )
    # Seen where it is: a copy of a 4K frame is another 25 MB.
    plane = found.planes[0]
    rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(height, plane.line_size)
    return rows[:, : 3 * width].reshape(height, width, 3)


def nearest(classes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a class map [H, W] in a size, by nearest neighbor."""
    if classes.shape == (height, width):
        return classes
    rows = (2 * np.arange(height) + 1) * classes.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * classes.shape[1] // (2 * width)
    return classes[rows][:, columns]
