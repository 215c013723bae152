"""The Lipschitz coefficient penalty: keeps the recurrence a contraction."""

import dataclasses
import numbers

import jax
import jax.numpy as jnp

from rsf_jax.errors import InputError
from rsf_jax.gradients.floats import floats, with_floats
from rsf_jax.typing import Array, Carry, Float, Step


@dataclasses.dataclass(frozen=True)
class LipschitzPenalty:
    """Lipschitz coefficient penalty of the last step: `mean(relu(1^T J - bound)^2)`.

    `1^T J`, the column sums of the step's Jacobian J, takes one vector-Jacobian product. The
    penalty is differentiated through the last step; and through the state in front of it where the
    estimator differentiates that, as BPTT does.

    Attributes:
        weight: what it is multiplied by in the loss.
        bound: column sums up to this cost nothing.

    Source: Linsley et al. 2020, section 3 and published code.
    """

    weight: float = 10.0
    bound: float = 0.9

    def __post_init__(self) -> None:
        """Checks both."""
        for name, value in (("weight", self.weight), ("bound", self.bound)):
            if not isinstance(value, numbers.Real) or not 0 <= value < float("inf"):
                raise InputError(f"penalty {name} is {value!r}: at least 0, finite, is needed")

    def __call__(self, step: Step, before: Carry) -> Float[Array, " B"]:
        """Returns each sample's penalty, without its weight.

        Args:
            step: one recurrent step.
            before: `Reached.before`, a pytree of arrays [B, ...]; integers have no part in it.

        Returns:
            float32 [B], the mean over all values of a state.
        """
        after, pull_back = jax.vjp(
            lambda values: floats(step(with_floats(before, values))), floats(before)
        )
        (column_sums,) = pull_back([jnp.ones_like(x) for x in after])
        leaves = [x.reshape(len(x), -1) for x in column_sums]
        excess = jax.nn.relu(jnp.concatenate(leaves, axis=1) - self.bound)
        return jnp.square(excess).mean(1)
