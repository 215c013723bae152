"""Schedules whose numbers of steps are traced: a program for all of them."""

import dataclasses
from typing import Any

import flax.struct
import jax.numpy as jnp

from rsf_jax.policies import FixedSchedule, StepPolicy, Stepwise, Wrapper
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Leaf


@flax.struct.dataclass
class Counted(Stepwise):
    """The steps of a `FixedSchedule`, counted while they run: not differentiable, if traced.

    Attributes:
        slow: int32, steps on the first frame of a video.
        fast: likewise, on every other.
        max_steps: no less than either.
        singles_out_first_frame: whether they differ, known before they are.
    """

    __repr__ = in_a_line

    slow: Leaf
    fast: Leaf
    max_steps: int = flax.struct.field(pytree_node=False)
    singles_out_first_frame: bool = flax.struct.field(pytree_node=False)

    def should_continue(
        self, n: Array, before: Array, after: Array, state: tuple, first: bool | Array
    ) -> tuple[Array, tuple]:
        """Counts; see `StepwisePolicy`."""
        limit = jnp.where(first, self.slow, self.fast)
        return jnp.broadcast_to(n < limit, (after.shape[0],)), state


def counted(policy: StepPolicy, max_steps: int) -> StepPolicy:
    """Returns a policy with the schedule in it counted; one without a schedule as it is."""
    if isinstance(policy, FixedSchedule):
        if policy.max_steps > max_steps:
            return policy
        slow, fast = jnp.int32(policy.slow), jnp.int32(policy.fast)
        return Counted(slow, fast, max_steps, policy.slow != policy.fast)
    if isinstance(policy, Wrapper):
        inner: Any = counted(policy.inner, max_steps)
        return dataclasses.replace(policy, inner=inner)  # type: ignore[type-var]
    return policy
