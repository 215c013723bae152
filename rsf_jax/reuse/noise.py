"""The noise of a camera, estimated from frames in which something may move."""

import math
import statistics
from collections.abc import Sequence

import numpy as np

from rsf_jax.ops.pixels import as_float
from rsf_jax.typing import Array

# Up to three quarters of the values may move, as in docs/decisions/0022-gates.md.
_SHARE = 0.25
_MOST = 200_000  # values of a pair of frames that are looked at
_PAIRS = 8  # of a clip


def noise_of(clips: Sequence[Array]) -> float:
    """Returns the standard deviation of what a sensor adds to every value, in units of the frames.

    It is that of the differences between frames, over the square root of two, by their lower
    quarter: what moves differs by more. Frames of 8 bits are known to half a gray level, so that a
    camera without noise whose picture was compressed has a noise of a fraction of one.

    Args:
        clips: float [T, B, H, W, C] each, two frames or more, or bytes of 0..1.

    Returns:
        The noisiest channel's, in the median over pairs of frames; 0 if nothing differs.
    """
    found = [_between(*pair) for clip in clips for pair in _pairs(clip)]
    return float(np.median(found))


def _pairs(clip: Array) -> list[tuple[Array, Array]]:
    """Some neighbors, from all parts of a clip."""
    places = np.unique(np.linspace(0, len(clip) - 2, _PAIRS).astype(int))
    return [(clip[t], clip[t + 1]) for t in places]


def _between(old: Array, new: Array) -> float:
    difference = np.abs(np.asarray(as_float(new)) - np.asarray(as_float(old)))
    by_channel = difference.reshape(-1, difference.shape[-1])
    stride = math.ceil(len(by_channel) / _MOST)
    return max(_deviation(values) for values in by_channel[::stride].T) / math.sqrt(2)


def _deviation(sizes: np.ndarray) -> float:
    """The deviation of normal values by the lower quarter of their sizes, which may be rounded."""
    values, counts = np.unique(sizes.round(_DIGITS), return_counts=True)
    shares = counts.cumsum() / counts.sum()
    last = int(np.searchsorted(shares, _SHARE))
    if last + 1 == len(values):  # nothing differs, or all by the same
        return float(values[last])
    # What was rounded lay up to halfway between a value and the next.
    edge = float(values[last] + values[last + 1]) / 2
    return edge / statistics.NormalDist().inv_cdf((1 + float(shares[last])) / 2)


_DIGITS = 6
