"""How much of a frame has changed, apart from the light and from the sensor's noise."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rsf_jax.ops.quantiles import quantile
from rsf_jax.typing import Array, Float, Frame

# See docs/decisions/0022-gates.md.
_SAMPLED = 1300  # pixels by which light and noise are judged, at most
_MIDDLE = 0.5
# A quarter of the values, and what |x| has there for a normal x of deviation 1: up to three
# quarters of a picture may move, or be textured.
_QUARTER, _AT_QUARTER = 0.25, 0.31864
_GAINS = (0.5, 2.0)  # beyond is another picture, no other light
_LEAST_CONTRAST = 0.05  # gray levels away from the middle one of what tells a gain
_LEAST_TOLD = 1e-3  # gray levels by which it is told, in the mean over all pixels
_ROUNDING = 0.5 / 255  # half a gray level of 8 bits: what changes less may not have changed
_MOST_NOISE = 0.12
_GROWTH, _ADDED = 1.05, 0.0005  # from frame to frame
_LEAST_INSIDE = 16  # pixels with all their neighbors, to tell noise by
# Second differences along both axes, of which flat and sloping surfaces and straight edges leave
# nothing. Source: Immerkaer, "Fast noise variance estimation", CVIU 1996, with means.
_LAPLACIAN = ((1, -2, 1), (-2, 4, -2), (1, -2, 1))
_LAPLACIAN_NORM = 6.0


class Difference(NamedTuple):
    """How a frame differs from a reference.

    Attributes:
        share: [B], of the pixels that have changed, 0..1.
        noise: [B, I], standard deviation of a frame's noise, in gray levels.
    """

    share: Array
    noise: Array


def compare(
    frame: Frame,
    reference: Frame,
    noise: Float[Array, "B I"],
    contrast: Array,
    deviations: Array,
) -> Difference:
    """Finds the pixels that have changed.

    A gain and an offset of the whole frame, which light makes, are taken off first. A pixel has
    changed if any channel differs by more than a contrast and by more than noise would explain.

    Args:
        frame: values in 0..1.
        reference: likewise.
        noise: what was found at the frame before; infinite if nothing was.
        contrast: gray levels, a number or [B].
        deviations: the most standard deviations of the difference of two noisy frames, a number or
            [B].
    """
    now, then = _sampled(frame), _sampled(reference)
    gain, offset = _light(now, then, noise)
    residue = now - _lit(then, gain[..., None], offset[..., None])
    noise = jnp.minimum(_noise_between(residue), noise_alone(frame, noise))
    explained = _per_sample(deviations) * math.sqrt(2) * noise
    least = jnp.maximum(_per_sample(contrast), explained)
    changed = jnp.zeros(frame.shape[:3], bool)
    for channel in range(frame.shape[3]):  # one after the other: twice as fast on a CPU
        of_gain, of_offset, of_least = (x[:, channel, None, None] for x in (gain, offset, least))
        lit = _lit(reference[..., channel], of_gain, of_offset)
        # What is no number has changed.
        changed |= ~(jnp.abs(frame[..., channel] - lit) <= of_least)
    return Difference(changed.mean((1, 2), dtype=frame.dtype), noise)


def noise_alone(frame: Frame, before: Float[Array, "B I"]) -> Float[Array, "B I"]:
    """Returns the noise of a frame, [B, I], that has no reference.

    Args:
        frame: values in 0..1.
        before: what was found at the frame before; infinite if nothing was.
    """
    grown = jnp.minimum(_GROWTH * before + _ADDED, _MOST_NOISE)
    return jnp.minimum(_noise_within(frame), grown)


def pooled(frame: Frame, side: int) -> Frame:
    """Returns the means of squares of some pixels' side; those at the far edges may be smaller."""
    if side == 1:
        return frame
    height, width = frame.shape[1:3]
    # Each by itself: `jnp.pad` slices all axes, and of a batch the length may not be known.
    around = ((0, -height % side), (0, -width % side), (0, 0))
    frame = jax.vmap(lambda one: jnp.pad(one, around, mode="edge"))(frame)
    # Sums of slices: on a CPU a mean over axes takes four times as long.
    rows = sum((frame[:, i::side] for i in range(1, side)), frame[:, ::side])
    total = sum((rows[:, :, i::side] for i in range(1, side)), rows[:, :, ::side])
    return total / side**2


def _light(now: Array, then: Array, noise: Array) -> tuple[Array, Array]:
    """The gain and the offset, [B, I] each, that make one sample [B, I, N] of another.

    By medians: half of the pixels may have changed. The gain is that of the pixels that stand out
    from the middle gray level by more than noise, a pixel's weight by how far.
    """
    middle = quantile(then, _MIDDLE, 0.0, 1.0)
    moved = quantile(now - then, _MIDDLE, -1.0, 1.0)
    contrast = then - middle[..., None]
    known = jnp.where(jnp.isfinite(noise), noise, 0)
    stands_out = jnp.abs(contrast) > jnp.maximum(_LEAST_CONTRAST, 3 * known)[..., None]
    weights = jnp.where(stands_out, jnp.abs(contrast), 0)
    slopes = (now - (middle + moved)[..., None]) / jnp.where(stands_out, contrast, 1)
    gain = quantile(slopes, _MIDDLE, 0.0, 4.0, weights)
    is_light = (weights.mean(-1) > _LEAST_TOLD) & (gain >= _GAINS[0]) & (gain <= _GAINS[1])
    gain = jnp.where(is_light, gain, 1)
    # Not what follows from the middle: where noise is cut off at black, that is another.
    return gain, quantile(now - gain[..., None] * then, _MIDDLE, -2.0, 2.0)


def _lit(reference: Array, gain: Array, offset: Array) -> Array:
    return jnp.clip(gain * reference + offset, 0, 1)


def _noise_between(difference: Array) -> Array:
    """The noise of a frame, [B, I], by what differs between two, [B, I, N]: motion adds to it."""
    size = jnp.abs(difference)
    # Where noise is cut off at black nothing differs: that is no sign of less noise.
    differs = (size > _ROUNDING).astype(size.dtype)
    return quantile(size, _QUARTER, 0.0, 1.0, differs) / (_AT_QUARTER * math.sqrt(2))


def _noise_within(frame: Frame) -> Array:
    """The noise of a frame, [B, I], by how pixels differ from their neighbors: texture adds."""
    height, width = frame.shape[1] - 2, frame.shape[2] - 2
    if min(height, width) < 1 or height * width < _LEAST_INSIDE:
        return jnp.zeros((frame.shape[0], frame.shape[3]), frame.dtype)
    stride = _stride(height, width)
    total = jnp.zeros((), frame.dtype)
    for i, factors in enumerate(_LAPLACIAN):
        for j, factor in enumerate(factors):
            total += factor * frame[:, i : height + i : stride, j : width + j : stride]
    within = quantile(_by_channel(jnp.abs(total)), _QUARTER, 0.0, 4.0)
    return within / (_AT_QUARTER * _LAPLACIAN_NORM)


def _sampled(frame: Frame) -> Array:
    """Some pixels of a frame, evenly spaced, [B, I, N]."""
    stride = _stride(*frame.shape[1:3])
    return _by_channel(frame[:, ::stride, ::stride])


def _stride(height: int, width: int) -> int:
    return math.ceil(math.sqrt(height * width / _SAMPLED))


def _by_channel(frame: Array) -> Array:
    return jnp.moveaxis(frame.reshape(frame.shape[0], -1, frame.shape[-1]), -1, 1)


def _per_sample(value: Array) -> Array:
    """A number as it is, one for each sample as [B, 1]."""
    return jnp.reshape(value, (*jnp.shape(value), 1)) if jnp.ndim(value) else value
