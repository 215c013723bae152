"""Scores of every frame of long videos, in memory that does not grow with their length."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.measures.images import image_iou
from rsf_jax.models.base import Prepared
from rsf_jax.policies import StepPolicy
from rsf_jax.typing import Array
from rsf_jax.unroll import advance, scan_frames

# What a frame is made of: an entry of what is scanned, to pixels [B, H, W, I] and classes.
Reader = Callable[[Any], tuple[Array, Array]]


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

    def body(state: Any, x: Any, first: bool) -> tuple[Any, tuple[Array, Array]]:
        frame, labels = read(x)
        state, out = advance(prepared, state, frame, policy, first=first, stateful=stateful)
        return state, (image_iou(out.logits, labels), out.steps)

    frame, _ = read(jax.tree.map(lambda x: x[0], xs))
    state = prepared.model.initial_state(len(frame), prepared.frame_shape)
    state = dataclasses.replace(state, memory=policy.init_memory(jnp.asarray(frame)))
    return scan_frames(body, state, xs, policy.singles_out_first_frame)[1]
