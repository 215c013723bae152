"""A policy and a metric of a user's, for tests."""

from typing import Any

import flax.struct
import jax.numpy as jnp

import rsf_jax as rsf
from rsf_jax.policies import Stepwise


def largest(a, b):
    """The largest difference of each sample."""
    return jnp.abs(a - b).max((1, 2, 3))


@flax.struct.dataclass
class Countdown(Stepwise):
    """Steps until the mean movement is below a rate."""

    rate: Any
    max_steps: int = flax.struct.field(pytree_node=False, default=6)
    eager: bool = flax.struct.field(pytree_node=False, default=False)

    @property
    def singles_out_first_frame(self):
        return False

    def should_continue(self, n, before, after, state, first):
        moved = jnp.abs(after - before).mean((1, 2, 3))
        return (moved > self.rate) & (n < self.max_steps), state


def register():
    rsf.register_policy("countdown", Countdown)
    rsf.register_metric("largest", largest)
