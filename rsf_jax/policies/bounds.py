"""The fewest and the most steps of a frame, of policies that halt."""

from typing import Any

import jax.numpy as jnp

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.policies.base import MOST_STEPS, Stepwise
from rsf_jax.typing import Array


class Bounded(Stepwise):
    """What halting policies have in common, whatever they go by.

    A `flax.struct.dataclass` that derives from it has the fields `max_steps`, `min_steps` and
    `min_first_steps`, whole numbers, `pytree_node=False`.
    """

    max_steps: int
    min_steps: int
    min_first_steps: int

    def _check_bounds(self) -> None:
        """Raises InputError unless the numbers of steps are whole, and in their order."""
        for name in ("min_steps", "min_first_steps", "max_steps"):
            value = whole(name, getattr(self, name))
            object.__setattr__(self, name, value)
            if value > MOST_STEPS:
                raise InputError(f"{name} is {value}: {MOST_STEPS} is the most there can be")
        for name in ("min_steps", "min_first_steps"):
            if self.max_steps < getattr(self, name):
                raise InputError(
                    f"max_steps is {self.max_steps}, below {name} {getattr(self, name)}: raise it"
                )

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether the first frame has a minimum of its own."""
        return self.min_first_steps > self.min_steps

    def _goes_on(self, n: Array, halts: Array, first: Any) -> Array:
        """Whether another step follows, [B], of samples that would halt or not, [B]."""
        fewest = jnp.where(first, max(self.min_steps, self.min_first_steps), self.min_steps)
        return ~(halts & (n >= fewest)) & (n < self.max_steps)
