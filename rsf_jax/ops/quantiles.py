"""Quantiles without sorting."""

import jax.numpy as jnp
from jax import lax

from rsf_jax.ops.held import as_varying
from rsf_jax.typing import Array, Float

_PARTS = 16
_ROUNDS = 3


def quantile(
    values: Float[Array, "*axes N"],
    share: float | Array,
    low: float,
    high: float,
    weights: Float[Array, "*axes N"] | None = None,
    rounds: int = _ROUNDS,
) -> Float[Array, "*axes"]:
    """Returns the value below which a share of the values, or of their weights, lies.

    The range is cut into 16 parts, that part into 16 again, and so on: what is returned is the
    lower end of the last one, after three rounds 1/4096 of the range. On a CPU three take a tenth
    of the time of sorting some thousand values.

    Args:
        values: any; what lies outside of the range counts as one of its ends.
        share: in 0..1, a number, or one for each of `axes`.
        low: lower end of the range.
        high: upper end.
        weights: at least 0; None for equal ones. Where all are 0 the lower end is returned.
        rounds: how often a part is cut.
    """
    axes = values.shape[:-1]
    total = values.shape[-1] if weights is None else weights.sum(-1)
    wanted = jnp.broadcast_to(share * total, axes)[..., None]
    parts = jnp.arange(1, _PARTS, dtype=values.dtype).reshape(*(1 for _ in axes), -1)

    # A loop, whose operands are stored: XLA would compute what they are made of for every part.
    def narrow(_: Array, found: tuple[Array, Array]) -> tuple[Array, Array]:
        start, width = found
        is_below = values[..., None, :] < (start[..., None] + width * parts)[..., None]
        counted = is_below if weights is None else jnp.where(is_below, weights[..., None, :], 0)
        return start + width * (counted.sum(-1) < wanted).sum(-1), width / _PARTS

    start = jnp.full(axes, low, values.dtype)
    width = jnp.asarray((high - low) / _PARTS, values.dtype)
    return lax.fori_loop(0, rounds, narrow, as_varying((start, width), (values, weights)))[0]
