"""A truncated Neumann series, guarded against growth."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.arguments import check_choice
from rsf_jax.gradients.spectrum import norms
from rsf_jax.ops.held import as_varying
from rsf_jax.ops.select import select
from rsf_jax.typing import Array, Carry

GUARDS = ("sample", "batch")

# Terms below this change nothing.
_VANISHED = 1e-9
# As published, of the whole batch's sum: an absolute bound.
_LARGEST_SUM = 1.0


class Neumann(NamedTuple):
    """A truncated Neumann series.

    Attributes:
        total: g, the sum of its terms, as the vector it began with.
        terms: int32 [B], powers of J^T used for each sample, 0 to K.
    """

    total: Carry
    terms: Array


def neumann_series(
    transpose: Callable[[Carry], Carry], vector: Carry, terms: int, guard: str = "sample"
) -> Neumann:
    """Returns `g = sum_{k=0..K} (J^T)^k v`, which tends to `(1 - J^T)^-1 v` if J contracts.

    A term that is not smaller than the one before it, or vanishes, ends the series and is left
    out, so that the sum stays within K + 1 times the first term even where J does not contract.

    Args:
        transpose: v -> J^T v, linear; J must not mix samples if the guard is per sample.
        vector: v, a pytree of float32 arrays [B, ...].
        terms: K, the most powers; with 0 the result is v.
        guard: "sample" ends each sample's series by its own norms, relative to its first term:
            neither the rest of the batch nor the scale of the loss matters. "batch", as published,
            ends all at once by norms over the whole batch, a norm of g above 1 ending them too.

    Raises:
        InputError: if the guard is neither.

    Source: Linsley et al. 2020, published code.
    """
    check_choice("guard", guard, GUARDS)
    norm = norms if guard == "sample" else _norm_of_batch
    first = norm(vector)
    least = _VANISHED * first if guard == "sample" else _VANISHED
    # Terms that do not grow bound each sample's sum already. See
    # docs/decisions/0007-gradient-estimators.md.
    most = jnp.inf if guard == "sample" else _LARGEST_SUM

    def goes_on(loop: tuple) -> Array:
        k, active, *_ = loop
        return (k < terms) & active.any()

    def add_term(loop: tuple) -> tuple:
        k, active, used, size, term, total = loop
        new = transpose(term)
        total_with_new = jax.tree.map(jnp.add, total, new)
        new_size = norm(new)
        # Written so that NaN ends the series.
        sound = (new_size <= size) & (new_size > least) & (norm(total_with_new) <= most)
        active = active & sound
        return (
            k + 1,
            active,
            used + active.astype(jnp.int32),
            jnp.where(active, new_size, size),
            select(active, new, term),
            select(active, total_with_new, total),
        )

    batch_size = len(first)
    zeros = (jnp.int32(0), jnp.ones(batch_size, bool), jnp.zeros(batch_size, jnp.int32))
    start = as_varying((*zeros, first, vector, vector), (first, vector))
    _, _, used, _, _, total = lax.while_loop(goes_on, add_term, start)
    return Neumann(total, used)


def _norm_of_batch(tree: Carry) -> Array:
    per_sample = norms(tree)
    return jnp.broadcast_to(jnp.sqrt(jnp.square(per_sample).sum()), per_sample.shape)
