"""How the hidden state moves from one recurrent step to the next."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.analysis.access import check_recurrent
from rsf_jax.arguments import flag, whole
from rsf_jax.checks import as_prepared, check_frames, own_copy
from rsf_jax.errors import InputError
from rsf_jax.measures.foreground import BINARY
from rsf_jax.measures.images import class_iou
from rsf_jax.models.base import Prepared, VideoModel, check_variables
from rsf_jax.ops.held import as_held
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies.halting import l2
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Float, Frame, Leaf, Num, Variables, Video

BEHAVIORS = ("converges", "oscillates", "diverges", "drifts")

_STILL = 1e-3  # of the state's norm
_LAST = 10  # steps at the end that are looked at
_MAX_LAG = 12  # steps
# What a return is: docs/decisions/0021-analysis-of-hidden-states.md.
_RETURN = 0.5
_GROWTH = 2.0
# The last states and their lags, with the first of the lags beyond the leap out of nothing.
MIN_STEPS = _LAST + _MAX_LAG + 2


@dataclasses.dataclass(frozen=True)
class DistanceRatios:
    """Ratios d_n / d_{n-1} of consecutive movements, d_n = l2(h_n, h_{n-1}).

    Below 1 the state settles, at 1 it goes on as before. Movements of 0 have no ratio.

    Attributes:
        step: int [N-1], n = 2..N.
        first: float [3, N-1], lower quartile, median and upper quartile over first frames.
        later: float [3, N-1], the same over all later frames.
    """

    __repr__ = in_a_line

    step: np.ndarray
    first: np.ndarray
    later: np.ndarray


@flax.struct.dataclass
class FollowedFrame:
    """A frame seen for many steps.

    Attributes:
        states: float32 [N+1, H, W, C], the initial state and that after every step.
        classes: int32 [N, H, W], what the readout of each calls every pixel.
    """

    __repr__ = in_a_line

    states: Leaf
    classes: Leaf

    @property
    def predicted(self) -> Array:
        """Whether the readout calls a pixel foreground (class 1), bool [N, H, W]."""
        return self.classes == 1


@dataclasses.dataclass(frozen=True)
class LongRun:
    """One frame seen for many more steps than in training.

    Attributes:
        behavior: one of `BEHAVIORS`, see `classify`, for the whole hidden state.
        movement: float [N], l2(h_n, h_{n-1}) / ||h_n||.
        pattern_behavior: the same for its pattern, the state less each channel's mean over the
            frame.
        pattern_movement: float [N], likewise.
        iou: float [N], IoU of the readout after every step, 0..1: of the foreground, or the mean
            of more classes; NaN if the frame has no label.
    """

    __repr__ = in_a_line

    behavior: str
    movement: np.ndarray
    pattern_behavior: str
    pattern_movement: np.ndarray
    iou: np.ndarray


def step_distances(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    steps: int,
    *,
    stateful: bool = True,
) -> Float[Array, "B T N"]:
    """Measures d_n = l2(h_n, h_{n-1}) for `steps` recurrent steps on every frame.

    No state is stored: memory grows with neither frames nor steps.

    Args:
        model: a recurrent model.
        variables: Flax variables, or the result of `prepare` for them.
        frames: float32 [B, T, H, W, I] in 0..1, or uint8 in 0..255.
        steps: N, recurrent steps on each frame, at least 2.
        stateful: start a frame from the N-th state of the one before.

    Raises:
        InputError: if the model has no recurrence, or frames or steps are unfit.
    """
    check_recurrent(model)
    check_frames(frames, 5, "B, T, H, W", model.input_channels)
    if whole("steps", steps) < 2:
        raise InputError(f"steps is {steps}: ratios of movements need at least 2")
    stateful = flag("stateful", stateful)
    with check_variables(variables):
        return _step_distances(model, variables, own_copy(frames), steps, stateful)


@partial(jax.jit, static_argnames=("model", "steps", "stateful"))
def _step_distances(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    steps: int,
    stateful: bool,
) -> Float[Array, "B T N"]:
    prepared = as_prepared(model, variables, frames.shape[2:4])
    fresh = as_held(prepared.initial_carry(frames.shape[0]), prepared)

    def moved(old: Any, new: Any) -> Array:
        return l2(prepared.hidden(new), prepared.hidden(old))

    def body(carry: Any, frame: Frame) -> tuple[Any, Array]:
        start = prepared.model.resume(carry) if stateful else fresh
        return _observe_steps(prepared, start, frame, steps, moved)

    _, distances = lax.scan(body, fresh, jnp.moveaxis(frames, 1, 0))
    return jnp.einsum("tnb->btn", distances)


def _observe_steps(
    prepared: Prepared,
    carry: Any,
    frame: Frame,
    steps: int,
    observe: Callable[[Any, Any], Any],
) -> tuple[Any, Any]:
    """Applies steps to a frame; returns the last carry and what is observed of each, N in front."""
    drive = prepared.drive(as_float(frame))

    def body(carry: Any, _: None) -> tuple[Any, Any]:
        new = prepared.step(carry, drive)
        return new, observe(carry, new)

    return lax.scan(body, carry, length=steps)


def distance_ratios(distances: Num[Array, "V T N"]) -> DistanceRatios:
    """Returns quartiles of d_n / d_{n-1} over videos and frames.

    Args:
        distances: d_n of every step of every frame, from `step_distances`.

    Source: Wang et al. 2023, algorithm 1: what it compares with its threshold.
    """
    d = np.asarray(distances, np.float64)
    ratios = np.divide(
        d[..., 1:], d[..., :-1], out=np.full_like(d[..., 1:], np.nan), where=d[..., :-1] > 0
    )
    return DistanceRatios(
        step=np.arange(2, d.shape[2] + 1),
        first=_quartiles(ratios[:, 0]),
        later=_quartiles(ratios[:, 1:].reshape(-1, ratios.shape[2])),
    )


def _quartiles(ratios: np.ndarray) -> np.ndarray:
    """Quartiles over the first axis of what is finite; NaN where nothing is."""
    columns = [column[np.isfinite(column)] for column in ratios.T]
    nothing = np.full(3, np.nan)
    return np.stack(
        [np.quantile(c, [0.25, 0.5, 0.75]) if len(c) else nothing for c in columns], axis=1
    )


def follow_frame(
    model: VideoModel, variables: Variables | Prepared, frame: Frame, steps: int
) -> FollowedFrame:
    """Applies many steps to the first frame of one video and keeps every state.

    Args:
        model: a recurrent model.
        variables: Flax variables, or the result of `prepare` for them.
        frame: float32 [1, H, W, I] in 0..1, or uint8 in 0..255.
        steps: N, recurrent steps.

    Raises:
        InputError: if the model has no recurrence, or the frame is unfit.
    """
    check_recurrent(model)
    check_frames(frame, 4, "1, H, W", model.input_channels)
    if len(frame) != 1:
        raise InputError(f"{len(frame)} frames were given: one is followed at a time")
    steps = whole("steps", steps)
    with check_variables(variables):
        return _follow_frame(model, variables, own_copy(frame), steps)


@partial(jax.jit, static_argnames=("model", "steps"))
def _follow_frame(
    model: VideoModel, variables: Variables | Prepared, frame: Frame, steps: int
) -> FollowedFrame:
    prepared = as_prepared(model, variables, frame.shape[1:3])
    carry = as_held(prepared.initial_carry(1), prepared)

    def hidden(carry: Any) -> Array:
        h = prepared.hidden(carry)
        return jnp.moveaxis(h[0], 0, -1)

    def observe(_: Any, new: Any) -> tuple[Array, Array]:
        logits = prepared.readout(new)
        return hidden(new), logits[0].argmax(-1)

    _, (states, classes) = _observe_steps(prepared, carry, frame, steps, observe)
    return FollowedFrame(jnp.concatenate([hidden(carry)[None], states]), classes)


@np.errstate(invalid="ignore")  # what diverges is told in words, not in NumPy's warnings
def long_run(followed: FollowedFrame, truth: Num[Array, "H W"], classes: int = BINARY) -> LongRun:
    """Describes what a frame's state does when it is given many steps.

    Args:
        followed: its states and predictions, at least 24 steps.
        truth: class indices of the frame, 0 for background; 255 where there is no label.
        classes: K, of the model.

    Raises:
        InputError: if there are too few steps.
    """
    states = _full(followed.states)
    pattern = states - states.mean((1, 2), keepdims=True)
    labels = np.broadcast_to(np.asarray(truth, np.int32), followed.classes.shape)
    return LongRun(
        behavior=classify(states[1:]),
        movement=relative_movement(states),
        pattern_behavior=classify(pattern[1:]),
        pattern_movement=relative_movement(pattern),
        iou=np.asarray(class_iou(followed.classes, labels, classes)),
    )


@np.errstate(invalid="ignore")
def relative_movement(states: Float[Array, " N *axes"]) -> np.ndarray:
    """Returns l2(h_n, h_{n-1}) / ||h_n|| of each state but the first; NaN where h_n is 0."""
    flat = _full(states).reshape(len(states), -1)
    norms = np.linalg.norm(flat[1:], axis=1)
    moved = np.linalg.norm(np.diff(flat, axis=0), axis=1)
    return np.divide(moved, norms, out=np.full_like(norms, np.nan), where=norms != 0)


def _full(states: Array) -> np.ndarray:
    """States as float64: squares leave the range of float32 long before the states do."""
    return np.asarray(states, np.float64)


def classify(states: Float[Array, " N *axes"]) -> str:
    """Says what a trajectory h_1 .. h_N comes to, by the first of these that holds.

    - "diverges": a state is not finite, or its norm is not;
    - "converges": each of the last 10 steps moves the state by less than 1e-3 of its norm;
    - "diverges": ||h_N|| is more than twice ||h_{N/2}||;
    - "oscillates": the state leaves and comes back. With D_k the mean of l2(h_n, h_{n-k}) over the
      last 10 states, some D_k of a lag k = 2..12 is less than half of the largest D_j of a shorter
      lag j < k. Only a return makes a longer lag the nearer one: a steady drift does not. Found
      are periods of up to 14 steps;
    - "drifts": none of these; also a state that still settles, but slowly.

    Args:
        states: float [N, ...], states after consecutive steps, N at least 24.

    Raises:
        InputError: if there are too few states.
    """
    if len(states) < MIN_STEPS:
        raise InputError(f"{len(states)} steps tell no long run: at least {MIN_STEPS} are needed")
    flat = _full(states).reshape(len(states), -1)
    norms = np.linalg.norm(flat, axis=1)
    if not np.isfinite(norms).all():
        return "diverges"
    last = norms[-_LAST:]
    moved = np.linalg.norm(np.diff(flat[-_LAST - 1 :], axis=0), axis=1)
    if ((moved < _STILL * last) | (last == 0)).all():
        return "converges"
    if norms[-1] > _GROWTH * norms[len(norms) // 2 - 1]:
        return "diverges"
    return "oscillates" if _returns(flat) else "drifts"


def _returns(states: np.ndarray) -> bool:
    """Whether a longer lag finds a much nearer state than a shorter one."""
    ends = np.arange(len(states) - _LAST, len(states))
    lags = np.array(
        [
            np.linalg.norm(states[ends] - states[ends - k], axis=1).mean()
            for k in range(1, _MAX_LAG + 1)
        ]
    )
    return bool((lags[1:] < _RETURN * np.maximum.accumulate(lags)[:-1]).any())
