"""A frame twice: as a policy has it, and in its shadow as a reference would have had it."""

from rsf_jax.models.base import Prepared, State
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.typing import Array, Frame
from rsf_jax.unroll import FrameOutput, advance, begin_frame


def advance_with_shadow(
    prepared: Prepared,
    state: State,
    frame: Frame,
    policy: StepPolicy,
    reference: StepPolicy,
    *,
    first: bool | Array,
    stateful: bool = True,
) -> tuple[State, FrameOutput, FrameOutput]:
    """Runs the next frame under a policy, and under a reference from the same start; traceable.

    The reference starts from what the policy starts from, or would start from if it did not leave
    the frame out, and treats the frame as the policy does, as a first or a later one. It carries
    nothing from frame to frame: of a gate what is inside decides. So what differs is what this
    frame's steps have left undone, and not what other states before it would have made of it.

    Args:
        prepared: a recurrent model with its variables.
        state: as for `run_frame`.
        frame: likewise.
        policy: recurrent steps of the frame.
        reference: recurrent steps in its shadow.
        first: see `StepPolicy.unroll`.
        stateful: start from the hidden state in `state`.

    Returns:
        The next state and the frame's output, as `unroll.advance` returns them, which the reference
        has no part in; and the reference's output.
    """
    after, out = advance(prepared, state, frame, policy, first=first, stateful=stateful)
    recurrence = begin_frame(prepared, state, frame, stateful=stateful)
    start, begins = recurrence.start, first
    if isinstance(policy, StepwisePolicy):
        begun = policy.begin(recurrence, first, state.memory)
        start, begins = begun.start, begun.first
    memory = reference.init_memory(recurrence.frame)
    shadow = reference.unroll(recurrence._replace(start=start), begins, memory)
    logits = recurrence.readout(shadow.carry)
    return after, out, FrameOutput(logits, shadow.steps, None)
