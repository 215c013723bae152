"""Measures how fast a model runs."""

import dataclasses
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.measures.timing import Case, time_in_turns
from rsf_jax.models.base import VideoModel, prepare
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.typing import Variables
from rsf_jax.unroll import run_video

SECONDS = 0.5  # each case is measured for about this long, after compilation
TIMED_VIDEOS = 8  # at batch 1; fewer where they are long
_FRAMES = 128  # of all of them together; what is longer is timed so far


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a policy runs on some videos.

    Attributes:
        seconds: a frame took, median.
        steps: recurrent steps a frame took, mean over the same videos.
    """

    seconds: float
    steps: float


def excerpt(frames: np.ndarray) -> np.ndarray:
    """Returns what is timed one video at a time: some videos, of long ones fewer.

    Args:
        frames: [V, T, H, W, I].
    """
    frames = beginning(frames)
    return frames[: min(TIMED_VIDEOS, _FRAMES // frames.shape[1])]


def beginning(frames: np.ndarray) -> np.ndarray:
    """Returns all videos as far as they are timed: long ones go on like that.

    Args:
        frames: [V, T, H, W, I].
    """
    return frames[:, :_FRAMES]


def measure_speeds(
    model: VideoModel,
    variables: Variables,
    frames: np.ndarray,
    policies: Iterable[StepPolicy],
    batch_size: int = 1,
    *,
    stateful: bool = True,
) -> dict[str, Speed]:
    """Times policies in turns on whole videos, the class of every pixel delivered to the host.

    Kernel spectra are prepared beforehand and compilation is left out.

    Args:
        model: the model.
        variables: Flax variables.
        frames: float32 or uint8 [V, T, H, W, I], as for `run_video`; what is left over by the
            batch size is not used.
        policies: recurrent steps of every frame.
        batch_size: videos processed together.
        stateful: carry the hidden state across frames.

    Returns:
        The speed of each policy, by its name.
    """
    prepared = jax.jit(lambda v: prepare(model, v, frames.shape[2:4]))(variables)
    count = len(frames) // batch_size
    batches = np.split(frames[: count * batch_size], count)

    @jax.jit
    def predict(frames: jax.Array, policy: StepPolicy) -> tuple[jax.Array, jax.Array]:
        out = run_video(model, prepared, frames, policy, stateful=stateful)
        return out.logits.argmax(-1).astype(jnp.uint8), out.steps

    def run(policy: StepPolicy) -> list[np.ndarray]:
        return [jax.device_get(predict(batch, policy))[1] for batch in batches]

    units = count * batch_size * frames.shape[1]
    cases, steps = {}, {}
    for policy in policies:
        name = policy_name(policy)
        cases[name] = Case(lambda policy=policy: run(policy), units)  # type: ignore[misc]
        steps[name] = float(np.mean(run(policy)))
    timings = time_in_turns(cases, SECONDS)
    return {name: Speed(timing.median, steps[name]) for name, timing in timings.items()}
