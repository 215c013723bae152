"""Choosing between two states, sample by sample."""

import jax
import jax.numpy as jnp

from rsf_jax.typing import Array, Carry


def select(mask: Array, new: Carry, old: Carry) -> Carry:
    """Takes `new` where `mask` [B] is true and `old`, bitwise, elsewhere."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, new, old)
