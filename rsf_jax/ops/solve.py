"""Small symmetric systems, sample by sample, in operations that every program has."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rsf_jax.typing import Array, Float


def solve_scaled(
    matrix: Float[Array, "B M M"], right: Float[Array, "B M"], ridge: Any
) -> Float[Array, "B M"]:
    """Solves `(A + ridge diag A) x = b` for positive semidefinite A.

    Rows and columns are scaled to a diagonal of 1 first. Where a column depends on those in front
    of it, up to rounding, or is not finite, its x is 0; so is everything where A is 0. What is not
    finite of the result is 0, too.

    Elimination without pivoting, unrolled: M steps of a few operations on the whole matrix, and no
    call of LAPACK, which programs for other runtimes do not have.

    Args:
        matrix: A; what is below the diagonal counts.
        right: b.
        ridge: at least 0, for all samples or for each.
    """
    size, precision = matrix.shape[-1], jnp.finfo(matrix.dtype)
    diagonal = jnp.stack([matrix[:, i, i] for i in range(size)], 1)
    there = (diagonal >= precision.tiny) & (diagonal < jnp.inf)
    scale = jnp.where(there, 1 / jnp.sqrt(jnp.where(there, diagonal, 1)), 0)
    pairs = there[:, :, None] & there[:, None, :]
    scaled = jnp.where(pairs, matrix * scale[:, :, None] * scale[:, None, :], 0)
    ridges = jnp.reshape(jnp.asarray(ridge, matrix.dtype), (-1, 1, 1))
    scaled = scaled + ridges * jnp.where(pairs, np.eye(size, dtype=matrix.dtype)[None], 0)
    rows = jnp.concatenate([scaled, (right * scale)[:, :, None]], 2)
    # Rounding alone leaves about this of a column that depends on others.
    least = 16 * float(precision.eps)
    for i in range(size):
        pivot = rows[:, i, i]
        sound = pivot > least  # not where it is NaN
        inverse = jnp.where(sound, 1 / jnp.where(sound, pivot, 1), 0)
        row = rows[:, i] * inverse[:, None]
        others = rows - rows[:, :, i, None] * row[:, None]
        this = (np.arange(size) == i)[None, :, None]
        rows = jnp.where(this, row[:, None], others)
    found = rows[:, :, size] * scale
    return jnp.where(jnp.isfinite(found), found, 0)
