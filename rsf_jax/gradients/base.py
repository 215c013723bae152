"""What a gradient estimator is."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from rsf_jax.typing import Carry, Step

# (what is kept so far, the state after a step) -> what is kept
Keep = Callable[[Any, Carry], Any]


class Reached(NamedTuple):
    """Where a number of steps leads.

    Attributes:
        before: the state before the last step.
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


@runtime_checkable
class ObservableEstimator(Estimator, Protocol):
    """An estimator that can be watched: what records states takes the same way as what does not.

    Others are run as they are; their states are then recorded in a second run, without derivatives.
    """

    def observe(
        self, step: Step, carry: Carry, length: int, store: Any, keep: Keep
    ) -> tuple[Reached, Any]:
        """As `unroll`, bitwise and in every derivative; `store = keep(store, h)` after a step.

        Args:
            step: as for `unroll`.
            carry: as for `unroll`.
            length: as for `unroll`.
            store: what `keep` is given with the first step, a pytree of arrays.
            keep: traceable; it may close over traced arrays.

        Returns:
            What `unroll` returns, and the last store. Its derivative is that of the states as the
            estimator has it.
        """
