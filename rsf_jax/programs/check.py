"""Compares a program with the library, frame by frame, each with the state that it has left."""

import dataclasses
from pathlib import Path

import numpy as np

from rsf_jax.policies import StepPolicy
from rsf_jax.programs.run import Video
from rsf_jax.programs.stablehlo import first_state
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained
from rsf_jax.unroll import run_frame


@dataclasses.dataclass(frozen=True)
class Agreement:
    """What a program and the library have made of a video.

    Attributes:
        frames: that were compared.
        difference: the largest of any two logits.
        other_steps: frames that took other steps.
        steps: mean of a frame.
    """

    __repr__ = in_a_line

    frames: int
    difference: float
    other_steps: int
    steps: float


def compare(
    folder: str | Path, trained: Trained, policy: StepPolicy, frames: np.ndarray
) -> Agreement:
    """Runs a video through a program and through the library.

    Args:
        folder: of a program of one video, or of any number.
        trained: what it was made of.
        policy: that it was made with.
        frames: uint8 [T, H, W, I].
    """
    video, shape = Video(folder), (frames.shape[1], frames.shape[2])
    state, prepared = first_state(trained, policy, shape), trained.prepare(shape)
    largest, others, total = 0.0, 0, 0
    for frame in frames:
        logits, steps = video.run(frame[None])
        state, out = run_frame(
            trained.model,
            prepared,
            state,
            frame[None],
            policy,
            stateful=trained.config.stateful,
        )
        largest = max(largest, float(np.abs(logits - np.asarray(out.logits)).max()))
        others += int(steps[0] != out.steps[0])
        total += int(steps[0])
    return Agreement(len(frames), largest, others, total / len(frames))
