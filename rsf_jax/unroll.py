"""Runs a model over frames under a step policy."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.arguments import flag
from rsf_jax.checks import (
    check_frames,
    check_policy,
    check_state,
    checked_prepared,
    on_device,
    own_copy,
    with_memory,
)
from rsf_jax.errors import InputError
from rsf_jax.models.base import (
    Prepared,
    State,
    VideoModel,
    check_variables,
    checked_model,
    prepare,
)
from rsf_jax.ops.held import as_held, as_varying
from rsf_jax.ops.meshes import automatic
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import Recurrence, may_leave_out_frames
from rsf_jax.policies.recording import Recording, as_recording
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Frame, Leaf, Step, Variables, Video


@flax.struct.dataclass
class VideoOutput:
    """Predictions for a video.

    Attributes:
        logits: float32 [B, T, H, W, K].
        steps: int32 [B, T], recurrent steps really spent.
        states: hidden states [B, T, N, H, W, C] after every step, N the policy's `max_steps`;
            entries past `steps` repeat the last one. With a `Recording`, what it keeps of them,
            [B, T, N, ...], T and N counting what is kept. None unless recorded.
    """

    __repr__ = in_a_line

    logits: Leaf
    steps: Leaf
    states: Leaf


@flax.struct.dataclass
class FrameOutput:
    """Predictions for a frame: as `VideoOutput`, without the axis T."""

    __repr__ = in_a_line

    logits: Leaf
    steps: Leaf
    states: Leaf


def run_video(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    policy: StepPolicy,
    *,
    stateful: bool = True,
    record_states: bool | Recording = False,
) -> VideoOutput:
    """Runs a model over whole videos.

    Compiled once for each model, shape and kind of policy. States are not differentiated across
    frames: gradients are truncated at frame boundaries.

    Args:
        model: the model.
        variables: Flax variables, or the result of `prepare` for them.
        frames: float32 [B, T, H, W, I] in 0..1, or uint8 in 0..255; gray (I = 1) or color (I = 3).
        policy: how many recurrent steps each frame gets.
        stateful: start each frame from the state the previous one left; False starts each from
            the initial state (the paper's Stateless variant).
        record_states: return the hidden state after every step. Memory grows with B T N; a
            `Recording` chooses frames, steps, a dtype or a projection to keep.

    Returns:
        Logits, steps and, if recorded, states.

    Raises:
        InputError: if frames are of the wrong rank, size or dtype; for NumPy arrays, also if values
            are NaN or outside 0..1; or if the variables are of another model.

    Source: Wang et al. 2023, eq. 1-5.
    """
    model = checked_model(model)
    stateful = flag("stateful", stateful)
    check_frames(frames, 5, "B, T, H, W", model.input_channels)
    check_policy(policy)
    prepared = _prepared(model, variables, frames)
    recording = as_recording(record_states)
    with check_variables(prepared):
        policy, frames = on_device(policy), own_copy(frames)
        return _run_video(prepared, frames, policy, stateful, recording)


def run_frame(
    model: VideoModel,
    variables: Variables | Prepared,
    state: State,
    frame: Frame,
    policy: StepPolicy,
    *,
    first: bool | None = None,
    stateful: bool = True,
    record_states: bool | Recording = False,
) -> tuple[State, FrameOutput]:
    """Runs a model on the next frame of each video, for live video.

    Args:
        model: the model.
        variables: Flax variables, or the result of `prepare` for them: a live stream should
            prepare once.
        state: what the previous call returned, or `model.initial_state(B, (H, W))`.
        frame: float32 or uint8 [B, H, W, I], as for `run_video`.
        policy: how many recurrent steps the frame gets.
        first: whether this is the first frame of every video; None looks at each sample's
            `state.frame_index`. The steps of a schedule are then counted while they run, where the
            first frame has a number of its own: told beforehand, they can be differentiated in
            reverse mode. Differentiate by `state.carry`: a frame index has no derivative.
        stateful: start from the hidden state in `state`; False starts from the initial state.
        record_states: return the hidden state after every step, or what a `Recording` keeps of it.

    Returns:
        The state to give to the next call, and the frame's logits, steps and states.

    Raises:
        InputError: if the frame or the state is of the wrong rank, size or dtype; for NumPy
            arrays, also if values are NaN or outside 0..1.
    """
    model = checked_model(model)
    stateful = flag("stateful", stateful)
    first = None if first is None else flag("first", first)
    check_frames(frame, 4, "B, H, W", model.input_channels)
    check_policy(policy)
    check_state(model, state, frame)
    prepared = _prepared(model, variables, frame)
    recording = as_recording(record_states)
    if recording and recording.frames is not None:
        raise InputError("a recording of a single frame cannot choose frames: leave `frames` out")
    state, frame = own_copy(state), own_copy(frame)
    with check_variables(prepared):
        policy = on_device(policy)
        state = with_memory(policy, state, frame)
        return _run_frame(prepared, state, frame, policy, first, stateful, recording)


def advance(
    prepared: Prepared,
    state: State,
    frame: Frame,
    policy: StepPolicy,
    *,
    first: bool | Array,
    stateful: bool = True,
    recording: Recording | None = None,
) -> tuple[State, FrameOutput]:
    """Traceable body of `run_frame`, with `first` given: see `StepPolicy.unroll`.

    Training and `run_video` know which frame is the first, so that their loops are static and
    differentiable.
    """
    if not prepared.model.recurrent:
        # What carries something, as `Refresh` does, would never be asked.
        carries = bool(jax.tree.leaves(state.memory))
        if policy.max_steps != 1 or may_leave_out_frames(policy) or carries:
            raise InputError(f"policy {policy}: this model has no recurrent steps; use s1f1")
        return _advance_once(prepared, state, frame, stateful, recording)

    recurrence = begin_frame(prepared, state, frame, stateful=stateful)
    unrolled = policy.unroll(recurrence, first, state.memory, recording)
    logits = recurrence.readout(unrolled.carry)
    return (
        State(unrolled.carry, state.frame_index + 1, unrolled.memory),
        FrameOutput(logits, unrolled.steps, unrolled.states),
    )


def begin_frame(
    prepared: Prepared, state: State, frame: Frame, *, stateful: bool = True
) -> Recurrence:
    """Returns the recurrence of the next frame: what does not change within it is computed here."""
    frame = as_float(frame)
    drive = prepared.drive(frame)
    fresh = prepared.initial_carry(frame.shape[0])
    start = prepared.model.resume(state.carry) if stateful else fresh

    def late_step() -> Step:
        late = prepared.drive(frame)
        return lambda carry: prepared.step(carry, late)

    return Recurrence(
        frame=frame,
        start=as_held(start, drive, prepared),
        fresh=as_held(fresh, drive, prepared),
        step=lambda carry: prepared.step(carry, drive),  # whoever takes the late one needs none
        hidden=prepared.hidden,
        readout=prepared.readout,
        last=as_held(state.carry, drive, prepared),
        late_step=late_step,
        halting=prepared.halting,
    )


def _advance_once(
    prepared: Prepared,
    state: State,
    frame: Frame,
    stateful: bool,
    recording: Recording | None,
) -> tuple[State, FrameOutput]:
    """`advance` for a model without recurrent steps."""
    frame = as_float(frame)
    fresh = prepared.initial_carry(frame.shape[0])
    start = as_held(state.carry if stateful else fresh, frame, prepared)
    carry, logits = prepared.apply("once", start, frame)
    states = None
    if recording:
        h = prepared.model.hidden(carry)
        states = recording.finish(recording.begin(h, 1), 0, h)
    steps = jnp.ones(frame.shape[:1], jnp.int32)
    return State(carry, state.frame_index + 1, state.memory), FrameOutput(logits, steps, states)


@partial(jax.jit, static_argnames=("first", "stateful", "recording"))
def _run_frame(
    prepared: Prepared,
    state: State,
    frame: Frame,
    policy: StepPolicy,
    first: bool | None,
    stateful: bool,
    recording: Recording | None,
) -> tuple[State, FrameOutput]:
    options: dict[str, Any] = {"stateful": stateful, "recording": recording}

    def run(prepared: Prepared, state: State, frame: Frame, policy: StepPolicy) -> Any:
        is_first: bool | Array = bool(first)
        if first is None and policy.singles_out_first_frame:
            is_first = state.frame_index == 0
        return advance(prepared, state, frame, policy, first=is_first, **options)

    return automatic(run, frame)(prepared, state, frame, policy)


@partial(jax.jit, static_argnames=("stateful", "recording"))
def _run_video(
    prepared: Prepared,
    frames: Video,
    policy: StepPolicy,
    stateful: bool,
    recording: Recording | None,
) -> VideoOutput:

    def run(prepared: Prepared, frames: Video, policy: StepPolicy) -> VideoOutput:
        return _advance_all(prepared, frames, policy, stateful, recording)

    return automatic(run, frames)(prepared, frames, policy)


def _advance_all(
    prepared: Prepared,
    frames: Video,
    policy: StepPolicy,
    stateful: bool,
    recording: Recording | None,
) -> VideoOutput:
    """Traceable body of `run_video`."""
    options: dict[str, Any] = {"stateful": stateful, "recording": recording}
    batch_size, length = frames.shape[:2]

    def body(carry: tuple[State, Any], x: Any, first: bool) -> tuple[tuple[State, Any], Any]:
        (state, kept), (frame, slot) = carry, x
        state, out = advance(prepared, state, frame, policy, first=first, **options)
        if kept is not None:
            kept = kept.at[slot].set(out.states, mode="drop")
            out = FrameOutput(out.logits, out.steps, None)
        return (lax.stop_gradient(state), kept), out

    fresh = prepared.model.initial_state(batch_size, prepared.frame_shape)
    first_frame = as_float(frames[:, 0])
    fresh = dataclasses.replace(fresh, memory=policy.init_memory(first_frame))
    state = as_varying(as_held(fresh, first_frame, prepared), policy)
    kept = None
    slots = jnp.zeros(length, jnp.int32)
    if recording and recording.frames is not None:
        slots = jnp.asarray(recording.frame_slots(length))
        one = jax.eval_shape(lambda: body((state, None), (frames[:, 0], 0), False)[1].states)
        empty = jnp.zeros((len(recording.frames), *one.shape), one.dtype)
        kept = as_varying(empty, (frames, prepared, policy))
    xs = (jnp.moveaxis(frames, 1, 0), slots)
    (_, kept), out = scan_frames(body, (state, kept), xs, policy.singles_out_first_frame)
    states = out.states if kept is None else kept
    logits, steps, states = jax.tree.map(
        lambda x: jnp.moveaxis(x, 0, 1), (out.logits, out.steps, states)
    )
    return VideoOutput(logits, steps, states)


def scan_frames(
    body: Callable[[Any, Any, bool], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    singles_out_first_frame: bool,
) -> tuple[Any, Any]:
    """`lax.scan` over frames with a static flag for the first one.

    Args:
        body: maps carry, the entry of `xs` for a frame, and whether it is the first frame, to the
            next carry and the frame's output.
        carry: the state before the first frame.
        xs: pytree of arrays with the frame axis T in front.
        singles_out_first_frame: if False, `body` sees every frame as a later one, and is compiled
            once instead of twice.

    Returns:
        The last carry and the outputs, frame axis in front.
    """

    def later(carry: Any, x: Any) -> tuple[Any, Any]:
        return body(carry, x, False)

    if not singles_out_first_frame:
        return lax.scan(later, carry, xs)
    carry, head = body(carry, jax.tree.map(lambda x: x[0], xs), True)
    carry, tail = lax.scan(later, carry, jax.tree.map(lambda x: x[1:], xs))
    return carry, jax.tree.map(lambda h, t: jnp.concatenate([h[None], t]), head, tail)


def _prepared(model: VideoModel, variables: Any, frames: Array) -> Prepared:
    shape = (frames.shape[-3], frames.shape[-2])
    if isinstance(variables, Prepared):
        return checked_prepared(model, variables, shape)
    with check_variables(variables):
        return _prepare(model, variables, shape)


_prepare = partial(jax.jit, static_argnames=("model", "frame_shape"))(prepare)
