"""From which state the next recurrent step of a frame starts, and which one the frame leaves.

A step takes a state and leaves one; as a rule the next step starts there, and so does the next
frame. A policy that steers says otherwise: a solver starts from a mix of what was reached so far.
See docs/decisions/0031-solvers.md.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from rsf_jax.ops.select import select
from rsf_jax.typing import Array, Carry

History = Any


class Steered(NamedTuple):
    """How a frame's recurrence goes on after a step.

    Attributes:
        start: the state from which the next step starts, if there is one.
        left: the state that the frame leaves if this step was its last, for readout and for the
            next frame; what recordings have of the step, too.
        history: what is remembered for the rest of the frame, a pytree with B in front.
    """

    start: Carry
    left: Carry
    history: History


@runtime_checkable
class SteeringPolicy(Protocol):
    """What a `StepwisePolicy` has in addition if it steers."""

    @property
    def steers(self) -> bool:
        """Whether it does: otherwise it is not asked, and each step starts where one has ended."""

    def init_history(self, carry: Carry) -> History:
        """Returns what is remembered in front of a frame's first step, a pytree with B in front.

        Args:
            carry: the state from which that step starts; with its types.
        """

    def steer(self, n: Array, before: Carry, after: Carry, history: History) -> Steered:
        """Decides, after every step, from which state the next one starts.

        `should_continue` is asked about the same step, with what it observes of `before` and
        `after`. What is decided for samples that have stopped is of no effect: they stay as they
        are, bitwise.

        Args:
            n: int32, steps made, for all samples or for each.
            before: the state that the last step has started from.
            after: the state that it has reached.
            history: what was remembered before it.

        Returns:
            Start and what would be left, of the structure, shapes and types of `after`, and the
            next history.
        """


class Ahead(NamedTuple):
    """What lies ahead of the samples of a frame, where a policy steers.

    Attributes:
        start: the state from which the next step of each starts; what it has left once it has
            stopped.
        history: what the policy remembers.
    """

    start: Carry
    history: History


# Of policies that do not steer: no arrays, and so nothing that a loop carries or computes.
Straight = tuple[()]


def steers(policy: Any) -> bool:
    """Whether a policy steers: as it says, or else if it has `steer`."""
    return bool(getattr(policy, "steers", hasattr(policy, "steer")))


def ahead_of(policy: Any, carry: Carry) -> Ahead | Straight:
    """Returns what lies ahead in front of a frame's first step."""
    return Ahead(carry, policy.init_history(carry)) if steers(policy) else ()


def next_start(carry: Carry, ahead: Ahead | Straight) -> Carry:
    """Returns the states from which the next step starts.

    Args:
        carry: what each sample leaves if no other step follows.
        ahead: of `ahead_of` or `steered`.
    """
    return ahead.start if isinstance(ahead, Ahead) else carry


def steered(
    policy: Any,
    n: Array,
    carry: Carry,
    after: Carry,
    ahead: Ahead | Straight,
    active: Array,
    goes_on: Array,
) -> tuple[Carry, Ahead | Straight]:
    """Lets a policy steer after a step; without it, `after` is left and nothing is computed.

    Args:
        policy: which, or which does not.
        n: int32, steps made, for all samples or for each.
        carry: what each sample would have left before the step.
        after: what the step has reached from `next_start`.
        ahead: what lay ahead of the step.
        active: bool [B], samples that have made the step; others keep `carry` if it is steered.
        goes_on: bool [B], those of them that make another.

    Returns:
        What each sample leaves now, and what lies ahead.
    """
    if not isinstance(ahead, Ahead):
        return after, ahead
    found = policy.steer(n, ahead.start, after, ahead.history)
    left = select(active, found.left, carry)
    # The history of samples that have stopped is read no more.
    return left, Ahead(select(goes_on, found.start, left), found.history)
