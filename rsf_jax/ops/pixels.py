"""Frames as cameras and files have them, and as they are computed with."""

from typing import Any

import jax.numpy as jnp
import numpy as np

_LUMA = np.array([19595, 38470, 7471])  # in 65536ths


def as_float(frames: Any) -> Any:
    """Returns frames as they are computed with: bytes 0..255 as values in 0..1, others as they are.

    Arrays of NumPy stay on the host. Elsewhere it is called in the compiled program: bytes go to
    the device as they are, a quarter of what floats would take.
    """
    return frames.astype(jnp.float32) / 255 if frames.dtype == jnp.uint8 else frames


def luminance(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [..., 1] of an image uint8 [..., 3], as Pillow's "L" has it (Rec. 601)."""
    return ((image @ _LUMA + 32768) >> 16).astype(np.uint8)[..., None]
