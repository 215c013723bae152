"""What a step policy is, and the loop of those that decide while they run."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import flax.struct
import jax.numpy as jnp
from jax import lax

from rsf_jax.ops.held import as_varying
from rsf_jax.ops.linear import without_reverse
from rsf_jax.ops.select import select
from rsf_jax.policies.recording import Recording
from rsf_jax.policies.steering import History, Steered, ahead_of, next_start, steered
from rsf_jax.typing import Array, Carry, Leaf, Step

Memory = Any
# Steps are counted in int32.
MOST_STEPS = 2**31 - 1

_FORWARD = (
    "steps that are counted while they run have no reverse-mode derivative: use a forward-mode one "
    "(jax.jvp, jax.jacfwd), a FixedSchedule instead of halting, or, in run_frame, first=True or "
    "first=False where all samples are at the same frame"
)


class Halting(NamedTuple):
    """A model's halting head, as a policy sees it.

    Attributes:
        head: what it is trained for: the name of the policy that reads it, "ponder" or "act".
        logit: takes the states in front of and after a step, and returns a logit of halting, [B].
    """

    head: str
    logit: Callable[[Carry, Carry], Array]


class Recurrence(NamedTuple):
    """The recurrence of one frame, as a policy sees it.

    Attributes:
        frame: float32 [B, H, W, I], its pixels.
        start: the state it starts from: what the frame before has left.
        fresh: the state before a video's first frame.
        step: applies one recurrent step to a state.
        hidden: takes h [B, C, H, W] out of a state.
        readout: returns the logits [B, H, W, K] of a state.
        last: the state that the frame before was read out of, which a frame without a step keeps:
            not what it starts from where states are not carried on, or not all of them. None where
            it is `start`.
        late_step: returns `step`, and computes only then what all steps of the frame share (the
            drive); None where that is computed anyway.
        halting: the model's halting head; None of a model without one.
    """

    frame: Array
    start: Carry
    fresh: Carry
    step: Step
    hidden: Callable[[Carry], Array]
    readout: Callable[[Carry], Array]
    last: Carry = None
    late_step: Callable[[], Step] | None = None
    halting: Halting | None = None

    def begin(self, begun: "Begun") -> tuple[Carry, Array]:
        """Returns the state that each sample begins the frame with, and whether it gets a step."""
        batch_size = self.hidden(begun.start).shape[0]
        active = jnp.broadcast_to(begun.active, (batch_size,))
        if begun.active is True:
            return begun.start, active
        return select(active, begun.start, self.start if self.last is None else self.last), active


@flax.struct.dataclass
class Unrolled:
    """What a frame's recurrence leaves.

    Attributes:
        carry: the state after the last step.
        steps: int32 [B], steps spent.
        states: what the recording keeps of h, [B, N, ...]; None unless recorded.
        memory: what the policy carries to the next frame.
    """

    carry: Carry
    steps: Leaf
    states: Leaf
    memory: Memory = ()


class Begun(NamedTuple):
    """How the samples of a batch begin a frame.

    Attributes:
        start: the state each starts from.
        first: whether each is treated as a video's first frame: for all alike (bool), or bool [B].
        active: bool [B], false where the frame gets no step at all, and what the frame before left
            stays as it is; True for all.
        memory: what the policy carries to the next frame.
    """

    start: Carry
    first: bool | Array
    active: bool | Array
    memory: Memory


@runtime_checkable
class StepPolicy(Protocol):
    """Decides how often the recurrent step is applied to a frame.

    A policy is a pytree (`flax.struct.dataclass`): its numbers are traced, and may be trained.
    """

    @property
    def max_steps(self) -> int:
        """The most steps any frame can get."""

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether the first frame of a video is treated unlike the others."""

    def init_memory(self, frame: Array) -> Memory:
        """Returns what the policy carries into a video's first frame, a pytree with B in front.

        Args:
            frame: float32 [B, H, W, I], of the shape that all frames have.
        """

    def unroll(
        self,
        recurrence: Recurrence,
        first: bool | Array,
        memory: Memory,
        recording: Recording | None = None,
    ) -> Unrolled:
        """Applies the recurrent step as often as the policy says.

        Args:
            recurrence: of the frame.
            first: whether this is a video's first frame: for all samples alike (bool), or each for
                itself (bool [B]), as in live streams that began at different times.
            memory: what the policy has carried from the frame before.
            recording: what to keep of h after every step.
        """


@runtime_checkable
class StepwisePolicy(StepPolicy, Protocol):
    """A policy that decides after every step, for each sample: what streams need.

    It may also say where the next step starts: see `steering.SteeringPolicy`.
    """

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Memory) -> Begun:
        """Decides, before the first step, how each sample begins the frame.

        It may leave out the frame (no step: the state stays, and so do the logits), or begin anew
        from `recurrence.fresh`. The arguments are those of `unroll`.
        """

    def observe(self, recurrence: Recurrence, carry: Carry) -> Array:
        """Returns what `should_continue` sees of a state: h, or the logits, or what is cheaper."""

    def init_state(self, seen: Array) -> Memory:
        """Returns what `should_continue` is given with a frame's first step, a pytree.

        Args:
            seen: what is observed before that step, B in front.
        """

    def should_continue(
        self, n: Array, before: Array, after: Array, state: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """Decides which samples need another step.

        Args:
            n: int32, steps made, for all samples or for each.
            before: what is observed before the last step, B in front.
            after: the same after it.
            state: what the decision before this one left.
            first: whether this is a video's first frame, for all samples or for each.

        Returns:
            bool [B], false for all at `max_steps` at the latest; and the next state.
        """


class Stepwise:
    """What most policies have in common: nothing is carried, no frame is left out, h is seen."""

    @property
    def leaves_out_frames(self) -> bool:
        """Whether frames may get no step: one that begins frames its own way is taken to.

        Streams ask such a policy before a frame gets a slot.
        """
        return type(self).begin is not Stepwise.begin

    @property
    def steers(self) -> bool:
        """Whether steps start elsewhere than the ones before have ended; see `SteeringPolicy`."""
        return type(self).steer is not Stepwise.steer

    def init_memory(self, frame: Array) -> Memory:
        """Returns nothing; see `StepPolicy`."""
        return ()

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Memory) -> Begun:
        """Starts every frame from the state the one before has left; see `StepwisePolicy`."""
        return Begun(recurrence.start, first, True, memory)

    def observe(self, recurrence: Recurrence, carry: Carry) -> Array:
        """Returns h; see `StepwisePolicy`."""
        return recurrence.hidden(carry)

    def init_state(self, seen: Array) -> Memory:
        """Returns nothing; see `StepwisePolicy`."""
        return ()

    def bind(self, recurrence: Recurrence) -> Any:
        """Returns the policy as it decides on steps of a recurrence; see `bound`."""
        return self

    def init_history(self, carry: Carry) -> History:
        """Returns nothing; see `SteeringPolicy`."""
        return ()

    def steer(self, n: Array, before: Carry, after: Carry, history: History) -> Steered:
        """Goes on from where the step has ended; see `SteeringPolicy`."""
        return Steered(after, after, history)

    def unroll(
        self: Any,
        recurrence: Recurrence,
        first: bool | Array,
        memory: Memory,
        recording: Recording | None = None,
    ) -> Unrolled:
        """Applies steps until no sample continues; see `StepPolicy.unroll`."""
        return unroll_while(self, recurrence, first, memory, recording)


def unroll_while(
    policy: StepwisePolicy,
    recurrence: Recurrence,
    first: bool | Array,
    memory: Memory,
    recording: Recording | None,
) -> Unrolled:
    """Applies a step until no sample continues; a sample that has stopped stays as it is, bitwise.

    Every sample that begins the frame makes at least one step. The loop runs until the last one
    has stopped; it has forward-mode derivatives, reverse-mode ones raise InputError. The arguments
    are those of `StepPolicy.unroll`.
    """
    begun = policy.begin(recurrence, first, memory)
    policy, first = bound(policy, recurrence), begun.first
    carry, active = recurrence.begin(begun)
    hidden = recurrence.hidden
    h = hidden(carry)
    store: Any = recording.begin(h, policy.max_steps) if recording else None

    def body(step: Step, loop: Any) -> Any:
        n, active, steps, carry, ahead, state, store = loop
        start = next_start(carry, ahead)
        new = select(active, step(start), start)
        before, after = (policy.observe(recurrence, c) for c in (start, new))
        made = n + 1
        goes_on, state = policy.should_continue(made, before, after, state, first)
        goes_on = active & goes_on
        new, ahead = steered(policy, made, carry, new, ahead, active, goes_on)
        if recording:
            store = recording.write(store, n, hidden(new))
        return made, goes_on, steps + active.astype(jnp.int32), new, ahead, state, store

    def run(step: Step, loop: Any) -> Any:
        return lax.while_loop(_any_active, partial(body, step), loop)

    zeros = (jnp.int32(0), active, jnp.zeros(h.shape[0], jnp.int32))
    state = policy.init_state(policy.observe(recurrence, carry))
    loop = (*zeros, carry, ahead_of(policy, carry), state, store)
    start = as_varying(loop, (carry, policy, first, active))
    if begun.active is True or recurrence.late_step is None:
        found = run(recurrence.step, start)
    else:
        late = recurrence.late_step
        # See docs/decisions/0022-gates.md.
        found = lax.cond(active.any(), lambda loop: run(late(), loop), lambda loop: loop, start)
    n, _, steps, carry, _, _, store = found
    carry, store = without_reverse((carry, store), _FORWARD)
    states = recording.finish(store, n, hidden(carry)) if recording else None
    return Unrolled(carry, steps, states, begun.memory)


def bound(policy: Any, recurrence: Recurrence) -> Any:
    """Returns a policy as it decides on the steps of a frame.

    One that needs more of the recurrence than what it observes of a single state, such as the
    model's halting head, has `bind`, which returns a copy of it that holds that. It is asked where
    steps are made, in the same trace, and the copy does not leave it.

    Raises:
        InputError: if the model has not what the policy needs.
    """
    bind = getattr(policy, "bind", None)
    return policy if bind is None else bind(recurrence)


def may_leave_out_frames(policy: StepPolicy) -> bool:
    """Whether a policy may give frames no step: as it says, or else if it begins them."""
    return bool(getattr(policy, "leaves_out_frames", hasattr(policy, "begin")))


def _any_active(loop: Any) -> Array:
    return loop[1].any()
