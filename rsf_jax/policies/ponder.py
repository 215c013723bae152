"""Halting as it was learned: a frame ends when the model's halting head says so."""

import copy
from typing import Any, ClassVar

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.errors import InputError
from rsf_jax.gradients.floats import wide_floats
from rsf_jax.policies import arguments
from rsf_jax.policies.base import Halting, Memory, Recurrence
from rsf_jax.policies.bounds import Bounded
from rsf_jax.policies.values import check_samples, checked
from rsf_jax.policies.wrapper import equals
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Carry

# Where a frame ends unless told otherwise: at the median of the steps. Training goes on from there.
MEDIAN = 0.5


class Learned(Bounded):
    """What policies have in common that read a model's halting head.

    Attributes:
        head: what the head has to be trained for; the name of the policy, too.
    """

    head: ClassVar[str]
    _halting: ClassVar[Halting | None] = None

    def bind(self, recurrence: Recurrence) -> Any:
        """Returns this policy with the model's head; see `base.bound`.

        Raises:
            InputError: if the model has none, or one that is trained for another policy.
        """
        found = recurrence.halting
        if found is None:
            raise InputError(
                f"policy {self} reads a halting head, which this model has not: train one with "
                f"config.halting_head={self.head}"
            )
        if found.head != self.head:
            raise InputError(
                f"policy {self} reads a halting head that is trained for {self.head}, and that of "
                f"this model is for {found.head}: use {found.head}:..., or train another with "
                f"config.halting_head={self.head}"
            )
        bound = copy.copy(self)
        object.__setattr__(bound, "_halting", found)
        return bound

    def observe(self, recurrence: Recurrence, carry: Carry) -> Any:
        """Returns the state as it is, for the head; see `StepwisePolicy`."""
        return carry

    def _probability(self, before: Carry, after: Carry) -> Array:
        """The halting probability, or score, after a step, [B]."""
        assert self._halting is not None  # `bind` comes first
        return jax.nn.sigmoid(self._halting.logit(before, after))


def per_sample(value: float, carry: Carry) -> Array:
    """Returns a number for each sample of a state, [B], of its widest type, float32 at least."""
    found = wide_floats(carry)
    return jnp.full(found[0].shape[0], value, jnp.result_type(*found))


@flax.struct.dataclass
class PonderHalting(Learned):
    """Ends a frame once it has probably ended, by a head that is trained as PonderNet's.

    After step n the head gives the probability p_n of halting there if the frame has not halted
    before. A sample halts when the probability that it would have, 1 - prod (1 - p_i) over i <= n,
    reaches `threshold`: at 0.5 at the median of the steps. Nothing is drawn. It counts from
    `min_steps` on, on a video's first frame from `min_first_steps`, and `max_steps` ends the frame
    at the latest.

    One model is a trade-off of its own: a higher threshold makes more steps. Thresholds are traced,
    and may be arrays [B], one for each sample.

    Attributes:
        threshold: probability of having halted, above 0 and at most 1.
        max_steps: the most steps.
        min_steps: the fewest.
        min_first_steps: the fewest on the first frame of a video, if more than `min_steps`.

    Raises:
        InputError: if a value is none of these; when it is run, if the model has no such head.

    Source: Banino et al. 2021, who draw the step from these probabilities instead.
    """

    __repr__ = in_a_line
    head = "ponder"

    threshold: Any
    max_steps: int = flax.struct.field(pytree_node=False)
    min_steps: int = flax.struct.field(pytree_node=False, default=1)
    min_first_steps: int = flax.struct.field(pytree_node=False, default=1)

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        self._check_bounds()
        threshold = checked("threshold", self.threshold, above=0, most=1)
        object.__setattr__(self, "threshold", threshold)

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
        """Returns the probability of not having halted, 1; see `StepwisePolicy`.

        Raises:
            InputError: if there are thresholds of another number of samples.
        """
        alive = per_sample(1.0, seen)
        check_samples(self, ("threshold",), alive.shape[0])
        return alive

    def should_continue(
        self, n: Array, before: Any, after: Any, state: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """Multiplies; see `StepwisePolicy`."""
        alive = state * (1 - self._probability(before, after))
        return self._goes_on(n, alive <= 1 - self.threshold, first), alive
