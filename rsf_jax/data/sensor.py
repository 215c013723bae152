"""What a camera adds to frames: flicker and slow drift of the light, and noise of the sensor.

It is added on reading, to frames in time: the frames of a camera that stands still differ too.
"""

import numpy as np

from rsf_jax.arguments import check_number, check_share
from rsf_jax.errors import InputError

_PERIOD = 500.0  # frames


def sense(
    frames: np.ndarray,
    rng: np.random.Generator,
    noise: float = 0.0,
    flicker: float = 0.0,
    drift: float = 0.0,
    period: float = _PERIOD,
) -> np.ndarray:
    """Returns the frames of a whole video as a camera would deliver them.

    Args:
        frames: uint8 in 0..255 or float in 0..1, [T, H, W, C].
        rng: of this video.
        noise: see `expose`.
        flicker: see `light`.
        drift: likewise.
        period: likewise.
    """
    return expose(frames, rng, light(len(frames), rng, flicker, drift, period), noise)


def light(
    length: int,
    rng: np.random.Generator,
    flicker: float = 0.0,
    drift: float = 0.0,
    period: float = _PERIOD,
) -> np.ndarray:
    """Draws how bright the light is at every frame of a stream.

    For a stream that is read in parts it is drawn once, and each part takes its own of it.

    Args:
        length: frames of the stream.
        rng: of this stream.
        flicker: a share; the light of each frame is within 1 +- flicker, uniform, independent.
        drift: a share; the light also rises and falls within 1 +- drift, in a sine whose phase is
            random.
        period: of the sine, frames.

    Returns:
        float32 [length], a factor for all pixels of a frame.

    Raises:
        InputError: if a share is not from 0 to 1, or the period not above 0.
    """
    for name, share in (("flicker", flicker), ("drift", drift)):
        check_share(name, share)
    check_number("period", period, "a number of frames above 0 is needed", lambda x: x > 0)
    turns = np.arange(length) / period + rng.random()
    slow = 1 + drift * np.sin(2 * np.pi * turns)
    return (slow * (1 + flicker * rng.uniform(-1, 1, length))).astype(np.float32)


def expose(
    frames: np.ndarray,
    rng: np.random.Generator,
    gain: np.ndarray | float = 1.0,
    noise: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Multiplies frames by the light and adds Gaussian noise to every value of every frame.

    Args:
        frames: uint8 in 0..255 or float in 0..1, [..., T, H, W, C].
        rng: of these frames.
        gain: a factor; one number, or of every frame, broadcast to [..., T].
        noise: standard deviation, white is 1, whatever the type of the frames; one number, or of
            every frame as `gain`.

    Returns:
        Frames of the same shape and type, clipped to their range; bytes are rounded.

    Raises:
        InputError: if a number is below 0 or not finite, or frames are of another type.
    """
    if not np.all(np.isfinite(gain) & (np.asarray(gain) >= 0)):
        raise InputError(f"gain is {gain}: finite numbers of at least 0 are needed")
    shares = np.asarray(noise)
    if shares.dtype.kind not in "iuf" or not np.all((shares >= 0) & (shares <= 1)):
        raise InputError(f"noise is {noise}: shares of white, from 0 to 1, are needed")
    is_bytes = frames.dtype == np.uint8
    if not is_bytes and not np.issubdtype(frames.dtype, np.floating):
        raise InputError(f"frames are {frames.dtype}: uint8 in 0..255 or float in 0..1 are needed")
    white = 255 if is_bytes else 1
    seen = frames.astype(np.float32) * _per_frame(gain)
    if np.any(noise):
        drawn = rng.standard_normal(frames.shape, np.float32)
        seen = seen + drawn * (_per_frame(noise) * np.float32(white))
    seen = np.clip(np.rint(seen) if is_bytes else seen, 0, white)
    return seen.astype(frames.dtype)


def _per_frame(values: np.ndarray | float) -> np.ndarray:
    """Values [..., T] to be multiplied with frames [..., T, H, W, C]."""
    return np.asarray(values, np.float32)[..., None, None, None]
