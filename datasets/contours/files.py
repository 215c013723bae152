"""Pictures of contours in the files that others released: gray frames, and masks of the target."""

from __future__ import annotations

import pathlib

import numpy as np
from frame_folders.images import read_gray

from contours.drawing import MASK_ABOVE

CLASSES = ("background", "target")


def read_frame(path: pathlib.Path) -> np.ndarray:
    """Reads a frame as uint8 [H, W, 1].

    Raises:
        ValueError: when the file is damaged or is not 8-bit gray.
    """
    return read_gray(path)[..., None]


def read_target(path: pathlib.Path) -> np.ndarray:
    """Reads where the target is: uint8 [H, W], 1 there and 0 elsewhere.

    Raises:
        ValueError: as `read_frame`.

    Source: the published code of RecSlowFast and of C-RBP takes a pixel above 0.2 of full white
    for one of the target.
    """
    return (read_gray(path) > MASK_ABOVE).astype(np.uint8)
