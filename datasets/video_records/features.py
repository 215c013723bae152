"""Features of a video. Only kinds that TFDS decodes without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_datasets as tfds


def array(shape: tuple[int | None, ...], dtype: Any, encoding: str) -> tfds.features.Tensor:
    """A feature that TFDS decodes without TensorFlow."""
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=encoding)


def frames_and_masks(
    length: int | None, size: tuple[int, int], channels: int
) -> dict[str, tfds.features.Tensor]:
    """The two features that every dataset has.

    They are compressed: TFDS keeps a split in memory while it is generated, and would need
    TensorFlow for more than a gigabyte.

    Args:
        length: frames of a video; None if that varies.
        size: height and width of all frames.
        channels: 1 or 3.

    Returns:
        `frames` uint8 [T, H, W, C] and `masks` uint8 [T, H, W].
    """
    return {
        "frames": array((length, *size, channels), np.uint8, "zlib"),
        "masks": array((length, *size), np.uint8, "zlib"),
    }
