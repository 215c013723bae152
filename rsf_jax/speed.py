"""Measures how fast a model runs."""

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.models import VideoModel, prepare
from rsf_jax.policies import StepPolicy
from rsf_jax.typing import Variables
from rsf_jax.unroll import run_video

_SECONDS = 1.0  # measured for about this long, after compilation


def frames_per_second(
    model: VideoModel,
    variables: Variables,
    frames: np.ndarray,
    policy: StepPolicy,
    *,
    stateful: bool = True,
) -> float:
    """Returns frames a second for whole videos, the class of every pixel delivered to the host.

    Kernel spectra are prepared beforehand and compilation is left out.

    Args:
        model: the model.
        variables: Flax variables.
        frames: float32 [B, T, H, W, 1]; B is the batch that is measured.
        policy: recurrent steps of every frame.
        stateful: carry the hidden state across frames.
    """
    prepared = jax.jit(lambda v: prepare(model, v, frames.shape[2:4]))(variables)

    @jax.jit
    def predict(frames: jax.Array) -> jax.Array:
        logits = run_video(model, prepared, frames, policy, stateful=stateful).logits
        return logits.argmax(-1).astype(jnp.uint8)

    durations: list[float] = []
    np.asarray(predict(frames))
    while sum(durations) < _SECONDS or len(durations) < 3:
        start = time.perf_counter()
        np.asarray(predict(frames))
        durations.append(time.perf_counter() - start)
    return frames.shape[0] * frames.shape[1] / statistics.median(durations)
