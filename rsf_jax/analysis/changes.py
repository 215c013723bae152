"""How much changes between consecutive frames: input, drive, hidden state, recurrent steps."""

import dataclasses
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from rsf_jax.analysis.access import check_recurrent, stimulus
from rsf_jax.arguments import flag
from rsf_jax.checks import as_prepared, check_frames, check_policy, own_copy
from rsf_jax.errors import InputError
from rsf_jax.measures.paired import standard_error
from rsf_jax.models.base import Prepared, VideoModel, check_variables
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.halting import l2
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Float, Frame, Int, Leaf, Variables, Video
from rsf_jax.unroll import advance, scan_frames

_BINS = 5
# Of distances in float32: what varies by less, relative to its size, does not vary.
_ROUNDING = 1e-6


@flax.struct.dataclass
class Changes:
    """Euclidean distances between each frame and the next, and the steps spent.

    Attributes:
        frames: float32 [B, T-1], between input frames of values in 0..1.
        drive: float32 [B, T-1], between what the stem makes of them.
        hidden: float32 [B, T-1], between the hidden states after the last step of each.
        pattern: float32 [B, T-1], between their patterns: hidden states less the mean of each
            channel over the frame. A drift that is the same at every pixel is left out; readouts
            that normalize by the sample's own statistics never see it.
        steps: int32 [B, T], recurrent steps really spent.
    """

    __repr__ = in_a_line

    frames: Leaf
    drive: Leaf
    hidden: Leaf
    pattern: Leaf
    steps: Leaf


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Do hidden states move as far as what drives them?

    Attributes:
        pearson: Pearson's r of the normalized distances.
        spearman: Spearman's rank correlation of them.
        pearson_at_position: Pearson's r of what is left of them when the mean over videos of every
            position t is subtracted; NaN where that is rounding alone, as of a single video. A
            state that still settles moves less from frame to frame whatever it sees: this leaves
            that out.
        pearson_unnormalized: Pearson's r of the distances themselves.
        drive: float [P], distances l2(x_t, x_{t+1}), each over the mean of its video.
        hidden: float [P], distances l2(h_t, h_{t+1}), likewise.
        frame: int [P], t, counted from 1.
        videos_left_out: videos in which drive or state never moved, or is not finite.
    """

    __repr__ = in_a_line

    pearson: float
    spearman: float
    pearson_at_position: float
    pearson_unnormalized: float
    drive: np.ndarray
    hidden: np.ndarray
    frame: np.ndarray
    videos_left_out: int


@dataclasses.dataclass(frozen=True)
class StepsByChange:
    """Recurrent steps of later frames, by how much the input changed.

    Attributes:
        spearman: rank correlation of change and steps over all later frames; NaN if every frame
            took the same number.
        change: float [Q], mean l2 distance to the frame before, in each bin.
        steps: float [Q], mean steps in the bin.
        standard_error: float [Q], of that mean; NaN of a single frame.
        frames: int [Q], frames in the bin.
    """

    __repr__ = in_a_line

    spearman: float
    change: np.ndarray
    steps: np.ndarray
    standard_error: np.ndarray
    frames: np.ndarray


def measure_changes(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    policy: StepPolicy,
    *,
    stateful: bool = True,
) -> Changes:
    """Measures how far input, drive and hidden state move from frame to frame.

    Distances are taken while the video runs: besides the frames themselves, memory does not grow
    with their number.

    Args:
        model: a recurrent model.
        variables: Flax variables, or the result of `prepare` for them.
        frames: float32 [B, T, H, W, I] in 0..1, or uint8 in 0..255, T at least 2.
        policy: how many recurrent steps each frame gets.
        stateful: carry the hidden state across frames.

    Raises:
        InputError: if the model has no recurrence, or frames, variables or the policy are unfit.
    """
    check_recurrent(model)
    check_frames(frames, 5, "B, T, H, W", model.input_channels)
    check_policy(policy)
    if frames.shape[1] < 2:
        raise InputError("a video of one frame has no changes: at least 2 frames are needed")
    stateful = flag("stateful", stateful)
    with check_variables(variables):
        return _measure(model, variables, own_copy(frames), policy, stateful)


@partial(jax.jit, static_argnames=("model", "stateful"))
def _measure(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    policy: StepPolicy,
    stateful: bool,
) -> Changes:
    prepared = as_prepared(model, variables, frames.shape[2:4])

    def observe(frame: Frame, carry: Any) -> tuple[Array, ...]:
        hidden = prepared.hidden(carry)
        pattern = hidden - hidden.mean((2, 3), keepdims=True)
        return frame, stimulus(prepared, frame), hidden, pattern

    def body(loop: Any, frame: Frame, first: bool) -> Any:
        state, before = loop
        frame = as_float(frame)
        state, out = advance(prepared, state, frame, policy, first=first, stateful=stateful)
        now = observe(frame, state.carry)
        return (state, now), (*map(l2, now, before), out.steps)

    state = model.initial_state(frames.shape[0], prepared.frame_shape)
    first_frame = as_float(frames[:, 0])
    state = dataclasses.replace(state, memory=policy.init_memory(first_frame))
    start = (state, observe(first_frame, state.carry))
    xs = jnp.moveaxis(frames, 1, 0)
    _, measured = scan_frames(body, start, xs, policy.singles_out_first_frame)
    *distances, steps = (jnp.moveaxis(x, 0, 1) for x in measured)
    inputs, drive, hidden, pattern = (distance[:, 1:] for distance in distances)
    return Changes(inputs, drive, hidden, pattern, steps)


def correlate(drive: Float[Array, "B pairs"], hidden: Float[Array, "B pairs"]) -> Correlation:
    """Correlates how far the drive and the hidden state move between frames.

    The pair of a video's first two frames is left out: the first frame starts from the initial
    state. Both distances are divided by their mean over the pairs of the video that remain, so
    that a video in which much moves weighs as much as one in which little does.

    Args:
        drive: l2(x_t, x_{t+1}), t = 1..T-1, as in `Changes`.
        hidden: l2(h_t, h_{t+1}), likewise, or that of patterns.

    Raises:
        InputError: if fewer than two pairs a video remain, or no video does.

    Source: Wang et al. 2023, figure 4a. The paper does not say what it normalizes by: the mean is
    this project's choice.
    """
    if drive.shape[1] < 3:
        raise InputError(
            f"videos have {drive.shape[1] + 1} frames: the correlation needs 4, since the pair of "
            "the first two is left out and the others are compared with their mean; build videos "
            "of your own with clip_length: 4 or more"
        )
    pairs = np.stack([drive[:, 1:], hidden[:, 1:]]).astype(np.float64)
    kept = np.isfinite(pairs).all((0, 2)) & (pairs.mean(2) > 0).all(0)
    if not kept.any():
        raise InputError("in no video do both drive and hidden state move: nothing to correlate")
    pairs = pairs[:, kept]
    normalized = pairs / pairs.mean(2, keepdims=True)
    x, y = normalized.reshape(2, -1)
    at_position = (normalized - normalized.mean(1, keepdims=True)).reshape(2, -1)
    return Correlation(
        pearson=pearson(x, y),
        spearman=spearman(x, y),
        pearson_at_position=pearson(at_position[0], at_position[1], size=1.0),
        pearson_unnormalized=pearson(*pairs.reshape(2, -1)),
        drive=x,
        hidden=y,
        frame=np.tile(np.arange(pairs.shape[2]) + 2, pairs.shape[1]),
        videos_left_out=int((~kept).sum()),
    )


def steps_by_change(change: Float[Array, "B pairs"], steps: Int[Array, "B T"]) -> StepsByChange:
    """Compares the steps of every later frame with how much the input changed before it.

    Args:
        change: l2 distance between consecutive input frames, as `Changes.frames`.
        steps: recurrent steps of every frame, as `Changes.steps`.

    Returns:
        Means in bins: one of the frames that did not change at all, if there are any, and five of
        equally many others, fewer where values coincide.
    """
    x, y = np.asarray(change).ravel(), np.asarray(steps)[:, 1:].ravel()
    moved = x[x > 0]
    lower_ends = np.linspace(0, 1, _BINS + 1)[:-1]
    edges = np.unique(np.quantile(moved, lower_ends)) if len(moved) else moved
    bins = np.searchsorted(edges, x, side="right")
    parts = [(x[bins == b], y[bins == b]) for b in np.unique(bins)]
    return StepsByChange(
        spearman=spearman(x, y),
        change=np.array([part.mean() for part, _ in parts]),
        steps=np.array([part.mean() for _, part in parts]),
        standard_error=np.array([standard_error(part) for _, part in parts]),
        frames=np.array([len(part) for part, _ in parts]),
    )


def pearson(x: np.ndarray, y: np.ndarray, size: float | None = None) -> float:
    """Pearson's r; NaN where one side never varies but by rounding.

    Args:
        x: float [P].
        y: float [P].
        size: of what was rounded; None for the largest absolute value of each side.
    """
    if not (_varies(x, size) and _varies(y, size)):
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; NaN as of `pearson`."""
    if not (_varies(x) and _varies(y)):
        return float("nan")
    return pearson(stats.rankdata(x), stats.rankdata(y))


def _varies(values: np.ndarray, size: float | None = None) -> bool:
    return bool(np.ptp(values) > _ROUNDING * (np.abs(values).max() if size is None else size))
