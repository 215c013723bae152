"""Adaptive computation time: a frame leaves the mean of its states, weighted as was learned."""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.gradients.floats import wide_floats, with_floats
from rsf_jax.policies import arguments
from rsf_jax.policies.base import Memory
from rsf_jax.policies.ponder import Learned, per_sample
from rsf_jax.policies.steering import Steered
from rsf_jax.policies.values import check_samples, checked
from rsf_jax.policies.wrapper import equals
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Carry

# What may be missing to a sum of one when a frame ends, unless told otherwise.
EPSILON = 0.01


class Weighed(NamedTuple):
    """The states of a frame so far, by their weights.

    Attributes:
        total: [B], sum of the weights.
        states: the weighted sum of the arrays of floating-point numbers of a state, in float32 at
            least.
    """

    total: Array
    states: list[Array]


def begin_weighing(carry: Carry) -> Weighed:
    """Returns that no state has been weighed, in front of a frame's first step."""
    return Weighed(per_sample(0.0, carry), [jnp.zeros_like(x) for x in wide_floats(carry)])


def weigh(weighed: Weighed, carry: Carry, weight: Array) -> Weighed:
    """Returns what was weighed with one more state, whose weight [B] counts up to a sum of one."""
    weight = jnp.minimum(weight, 1 - weighed.total)

    def add(total: Array, x: Array) -> Array:
        return total + weight.reshape(weight.shape + (1,) * (x.ndim - 1)) * x

    states = [add(total, x) for total, x in zip(weighed.states, wide_floats(carry))]
    return Weighed(weighed.total + weight, states)


def mean_with(weighed: Weighed, carry: Carry) -> Carry:
    """Returns the mean state if this one was the last: it gets the weight that remains.

    What does not count in floating-point numbers is of the last state.
    """
    return with_floats(carry, weigh(weighed, carry, jnp.ones_like(weighed.total)).states)


@flax.struct.dataclass
class ActHalting(Learned):
    """Ends a frame by scores that add up to one, and leaves the mean state by these scores.

    After step n the head gives a score p_n in 0..1. A sample halts when p_1 + ... + p_n is at least
    1 - `epsilon`. What the frame leaves, for its readout and for the next frame, is the mean of its
    states, each with its score as weight; the last one with what remains to one. The recurrence
    itself goes on from the states as they are.

    It counts from `min_steps` on, on a video's first frame from `min_first_steps`, and `max_steps`
    ends the frame at the latest; scores past a sum of one have no weight. A larger `epsilon` makes
    fewer steps, which training has not seen. Epsilons are traced, and may be arrays [B], one for
    each sample.

    Attributes:
        epsilon: what may be missing to one, at least 0 and below 1.
        max_steps: the most steps.
        min_steps: the fewest.
        min_first_steps: the fewest on the first frame of a video, if more than `min_steps`.

    Raises:
        InputError: if a value is none of these; when it is run, if the model has no such head.

    Source: Graves 2016, section 2.
    """

    __repr__ = in_a_line
    head = "act"

    epsilon: Any
    max_steps: int = flax.struct.field(pytree_node=False)
    min_steps: int = flax.struct.field(pytree_node=False, default=1)
    min_first_steps: int = flax.struct.field(pytree_node=False, default=1)

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        self._check_bounds()
        epsilon = checked("epsilon", self.epsilon, most=1 - 1e-6)
        object.__setattr__(self, "epsilon", epsilon)

    def __eq__(self, other: object) -> bool:
        """Whether two policies are the same, whichever arrays their numbers are in."""
        return equals(self, other)

    def __hash__(self) -> int:
        """Of what compiles to one program."""
        return hash(jax.tree.structure(self))

    def __str__(self) -> str:
        """Returns the policy as `parse_policy` reads it."""
        return ":".join([self.head, *arguments.write(self)])

    def init_state(self, seen: Any) -> Memory:
        """Returns the sum of no scores; see `StepwisePolicy`.

        Raises:
            InputError: if there are numbers of another number of samples.
        """
        total = per_sample(0.0, seen)
        check_samples(self, ("epsilon",), total.shape[0])
        return total

    def should_continue(
        self, n: Array, before: Any, after: Any, state: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """Adds; see `StepwisePolicy`."""
        total = state + self._probability(before, after)
        return self._goes_on(n, total >= 1 - self.epsilon, first), total

    def init_history(self, carry: Carry) -> Weighed:
        """Returns that no state has been weighed; see `SteeringPolicy`."""
        return begin_weighing(carry)

    def steer(self, n: Array, before: Carry, after: Carry, history: Weighed) -> Steered:
        """Goes on from the state itself, and would leave the mean; see `SteeringPolicy`."""
        # The score is that of `should_continue`, which XLA computes once.
        weighed = weigh(history, after, self._probability(before, after))
        return Steered(after, mean_with(history, after), weighed)
