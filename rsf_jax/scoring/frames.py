"""What a model makes of every frame of long videos, in memory that does not grow with them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.data.batch import Batch
from rsf_jax.measures.images import image_iou
from rsf_jax.models.base import Prepared, State, VideoModel
from rsf_jax.ops.held import as_held, as_varying
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy
from rsf_jax.shadow import advance_with_shadow
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Leaf
from rsf_jax.unroll import advance, scan_frames

# What a frame is made of: an entry of what is scanned, to pixels [B, H, W, I] and whatever its
# logits are compared with.
Reader = Callable[[Any], tuple[Array, Any]]
# What is kept of a frame: logits [B, H, W, K] and what they are compared with, to arrays [B, ...].
Look = Callable[[Array, Any], Any]
# Of the frames of videos that are scored together: they are read whole, a few batches ahead.
MOST_BYTES = 2**25


@flax.struct.dataclass
class FrameScores:
    """Scores of every frame of a batch of videos.

    Attributes:
        iou: float32 [B, T], see `image_iou`; NaN for a frame without a label.
        steps: int32 [B, T], recurrent steps.
    """

    __repr__ = in_a_line

    iou: Leaf
    steps: Leaf


def score_frames(
    prepared: Prepared, policy: StepPolicy, xs: Any, read: Reader, *, stateful: bool = True
) -> tuple[jax.Array, jax.Array]:
    """Runs a model over frames, of whose predictions nothing is kept but the score; traceable.

    Args:
        prepared: a model with its variables.
        policy: recurrent steps of every frame.
        xs: pytree of arrays with the frame axis T in front.
        read: makes a frame of an entry of it: float32 [B, H, W, I] in 0..1, and its labels, int32
            [B, H, W].
        stateful: carry the hidden state across frames.

    Returns:
        IoU of every frame, float32 [T, B], see `image_iou`, and recurrent steps, int32 [T, B].
    """
    return look_at_frames(prepared, policy, xs, read, image_iou, stateful=stateful)


def look_at_frames(
    prepared: Prepared,
    policy: StepPolicy,
    xs: Any,
    read: Reader,
    look: Look,
    *,
    stateful: bool = True,
) -> tuple[Any, jax.Array]:
    """Runs a model over frames, of whose logits nothing is kept but what is asked for; traceable.

    The arguments are those of `score_frames`; `look` makes of the logits of a frame what is kept.

    Returns:
        What `look` returned of every frame, T in front, and recurrent steps, int32 [T, B].
    """

    def body(state: Any, x: Any, first: bool) -> tuple[Any, tuple[Any, Array]]:
        frame, beside = read(x)
        state, out = advance(prepared, state, frame, policy, first=first, stateful=stateful)
        return state, (look(out.logits, beside), out.steps)

    frame, _ = read(jax.tree.map(lambda x: x[0], xs))
    state = _fresh(prepared, policy, frame)
    return scan_frames(body, state, xs, policy.singles_out_first_frame)[1]


def score_batch_by_frame(
    model: VideoModel, prepared: Prepared, batch: Batch, policy: StepPolicy, *, stateful: bool
) -> FrameScores:
    """Scores every frame of a batch; weights are left to the caller."""
    iou, steps = score_frames(prepared, policy, _by_frame(batch), _read, stateful=stateful)
    return FrameScores(iou.T, steps.T)


def classify_batch(
    model: VideoModel, prepared: Prepared, batch: Batch, policy: StepPolicy, *, stateful: bool
) -> tuple[Array, Array]:
    """Returns the class of every pixel of a batch, uint8 [B, T, H, W], and steps, int32 [B, T]."""

    def classes(logits: Array, labels: Array) -> Array:
        return logits.argmax(-1).astype(jnp.uint8)

    found, steps = look_at_frames(
        prepared, policy, _by_frame(batch), _read, classes, stateful=stateful
    )
    return jnp.moveaxis(found, 0, 1), steps.T


def shadow_batch(
    model: VideoModel,
    prepared: Prepared,
    batch: Batch,
    policy: StepPolicy,
    reference: StepPolicy,
    *,
    stateful: bool,
) -> FrameScores:
    """Scores every frame by what a reference makes of it from the same start.

    See `shadow.advance_with_shadow`; labels are not looked at.
    """

    def body(state: Any, frame: Array, first: bool) -> tuple[Any, tuple[Array, Array]]:
        state, out, shadow = advance_with_shadow(
            prepared, state, frame, policy, reference, first=first, stateful=stateful
        )
        iou = image_iou(out.logits, shadow.logits.argmax(-1))
        return state, (iou, out.steps)

    frames = jnp.moveaxis(batch.frames, 1, 0)
    state = _fresh(prepared, policy, as_float(frames[0]))
    iou, steps = scan_frames(body, state, frames, policy.singles_out_first_frame)[1]
    return FrameScores(iou.T, steps.T)


def _fresh(prepared: Prepared, policy: StepPolicy, frame: Array) -> State:
    """What a scan over frames begins with."""
    state = prepared.model.initial_state(len(frame), prepared.frame_shape)
    state = dataclasses.replace(state, memory=policy.init_memory(jnp.asarray(frame)))
    return as_varying(as_held(state, frame, prepared), policy)


def _by_frame(batch: Batch) -> tuple[Array, Array]:
    return jnp.moveaxis(batch.frames, 1, 0), jnp.moveaxis(batch.masks, 1, 0)


def _read(x: tuple[Array, Array]) -> tuple[Array, Array]:
    return as_float(x[0]), x[1].astype(jnp.int32)
