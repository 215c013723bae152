"""What a step policy is, and the loop of those that decide while they run."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import flax.struct
import jax.numpy as jnp
from jax import lax

from rsf_jax.linear import without_reverse
from rsf_jax.recording import Recording
from rsf_jax.select import select
from rsf_jax.typing import Array, Carry, Leaf, Step

Hidden = Callable[[Carry], Array]  # carry -> h, batch first
Memory = Any
# Steps are counted in int32.
MOST_STEPS = 2**31 - 1

_FORWARD = (
    "steps that are counted while they run have no reverse-mode derivative: use a forward-mode one "
    "(jax.jvp, jax.jacfwd), a FixedSchedule in place of halting, or, in run_frame, first=True or "
    "first=False where all samples are at the same frame"
)


@flax.struct.dataclass
class Unrolled:
    """What a frame's recurrence leaves.

    Attributes:
        carry: the state after the last step.
        steps: int32 [B], steps spent.
        states: what the recording keeps of h, [B, N, ...]; None unless recorded.
    """

    carry: Carry
    steps: Leaf
    states: Leaf


@runtime_checkable
class StepPolicy(Protocol):
    """Decides how often the recurrent step is applied to a frame."""

    @property
    def max_steps(self) -> int:
        """The most steps any frame can get."""

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether the first frame of a video is treated unlike the others."""

    def unroll(
        self,
        step: Step,
        hidden: Hidden,
        carry: Carry,
        first: bool | Array,
        recording: Recording | None = None,
    ) -> Unrolled:
        """Applies `step` to `carry` as often as the policy says.

        Args:
            step: one recurrent step.
            hidden: takes h [B, ...] out of a carry.
            carry: the state to start from.
            first: whether this is a video's first frame: for all samples alike (bool), or each for
                itself (bool [B]), as in live streams that began at different times.
            recording: what to keep of h after every step.
        """


@runtime_checkable
class StepwisePolicy(StepPolicy, Protocol):
    """A policy that decides after every step, for each sample: what streams need."""

    def remember(self, hidden: Array) -> Memory:
        """Returns what `goes_on` is given with a frame's first step: a pytree of arrays [B].

        Args:
            hidden: h [B, ...] in front of it.
        """

    def goes_on(
        self, n: Array, before: Array, after: Array, memory: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """Decides which samples need another step.

        Args:
            n: int32, steps made, for all samples or for each.
            before: h [B, ...] in front of the last step.
            after: h [B, ...] after it.
            memory: what the decision before this one left.
            first: whether this is a video's first frame, for all samples or for each.

        Returns:
            bool [B], false for all at `max_steps` at the latest; and the next memory.
        """


def unroll_while(
    policy: StepwisePolicy,
    step: Step,
    hidden: Hidden,
    carry: Carry,
    first: bool | Array,
    recording: Recording | None,
) -> Unrolled:
    """Applies a step until no sample goes on; a sample that has stopped stays as it is, to the bit.

    Every sample makes at least one step. The loop runs until the last one has stopped; it has
    forward-mode derivatives, reverse-mode ones raise InputError. The arguments are those of
    `StepPolicy.unroll`.
    """
    h = hidden(carry)
    batch_size = h.shape[0]
    store: Any = recording.begin(h, policy.max_steps) if recording else None

    def body(loop: Any) -> Any:
        n, active, steps, carry, memory, store = loop
        new = select(active, step(carry), carry)
        goes_on, memory = policy.goes_on(n + 1, hidden(carry), hidden(new), memory, first)
        if recording:
            store = recording.write(store, n, hidden(new))
        return n + 1, active & goes_on, steps + active.astype(jnp.int32), new, memory, store

    start = (
        jnp.int32(0),
        jnp.ones(batch_size, bool),
        jnp.zeros(batch_size, jnp.int32),
        carry,
        policy.remember(h),
        store,
    )
    n, _, steps, carry, _, store = lax.while_loop(_any_active, body, start)
    carry, store = without_reverse((carry, store), _FORWARD)
    return Unrolled(carry, steps, recording.finish(store, n, hidden(carry)) if recording else None)


def _any_active(loop: Any) -> Array:
    return loop[1].any()
