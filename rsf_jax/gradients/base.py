"""What a gradient estimator is."""

from typing import NamedTuple, Protocol, runtime_checkable

from rsf_jax.typing import Carry, Step


class Reached(NamedTuple):
    """Where a number of steps leads.

    Attributes:
        before: the state in front of the last step.
        after: the state after it.
    """

    before: Carry
    after: Carry


@runtime_checkable
class Estimator(Protocol):
    """Applies a step a fixed number of times; estimators differ in the derivative alone."""

    def unroll(self, step: Step, carry: Carry, length: int) -> Reached:
        """Applies `step` to `carry` `length` times, at least once.

        The derivative of `after` is the estimator's, with respect to what `step` closes over
        (parameters and drive) and to `carry`.

        Args:
            step: one recurrent step, traceable; it may close over traced arrays.
            carry: the state to start from, a pytree of arrays whose first axis is the batch.
            length: number of steps N.
        """
