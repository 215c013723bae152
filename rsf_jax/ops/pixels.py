"""Frames as cameras and files have them, and as they are computed with."""

from typing import Any

import jax.numpy as jnp
import numpy as np

_LUMA = 19595, 38470, 7471  # of red, green and blue, in 65536ths
_TOGETHER = 2**16  # pixels


def as_float(frames: Any) -> Any:
    """Returns frames as they are computed with: bytes 0..255 as values in 0..1, others as they are.

    Arrays of NumPy stay on the host. Elsewhere it is called in the compiled program: bytes go to
    the device as they are, a quarter of what floats would take.
    """
    return frames.astype(jnp.float32) / 255 if frames.dtype == jnp.uint8 else frames


def as_picture(frame: np.ndarray) -> np.ndarray:
    """Returns a frame as it can be looked at, uint8 [H, W, 3] or, for gray, [H, W, 1].

    Args:
        frame: uint8 or float in 0..1, [H, W, C]. Where C is neither 1 nor 3, channels are no
            colors, and their mean is taken.
    """
    stored = frame if frame.dtype == np.uint8 else np.rint(255 * frame).astype(np.uint8)
    if stored.shape[-1] in (1, 3):
        return stored
    return np.rint(stored.mean(-1, keepdims=True)).astype(np.uint8)


def luminance(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [..., 1] of an image uint8 [..., 3], as Pillow's "L" has it (Rec. 601).

    Beside the result it takes half a megabyte, whatever the size of the image.
    """
    found = np.empty((*image.shape[:-1], 1), np.uint8)
    pixels, out = image.reshape(-1, 3), found.reshape(-1)
    for first in range(0, len(pixels), _TOGETHER):
        part = slice(first, first + _TOGETHER)
        total = np.full(len(pixels[part]), 32768, np.uint32)
        for channel, share in enumerate(_LUMA):
            total += np.multiply(pixels[part, channel], share, dtype=np.uint32)
        out[part] = total >> 16
    return found
