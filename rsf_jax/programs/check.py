"""Compares a program with the library, frame by frame, each with the state that it has left."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rsf_jax.checks import check_frames
from rsf_jax.errors import InputError
from rsf_jax.policies import StepPolicy
from rsf_jax.programs.frame_step import first_state
from rsf_jax.programs.run import Video
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

    Where the program stores small weights, the model should have those, see `weights.rounded`: or
    what is found is what the rounding does.

    Args:
        folder: of a program of one video, or of any number.
        trained: what it was made of.
        policy: that it was made with.
        frames: uint8 [T, H, W, I], one or more.

    Raises:
        InputError: if the frames are no such array.
    """
    check_frames(frames, 4, "T, H, W", trained.config.input_channels)
    if frames.dtype != np.uint8:
        raise InputError(f"frames are {frames.dtype}: programs take uint8")
    by_library = library_video(trained, policy, (frames.shape[1], frames.shape[2]))
    video, largest, others, total = Video(folder), 0.0, 0, 0
    for frame in frames:
        logits, steps = video.run(frame[None])
        wanted, wanted_steps = by_library(frame[None])
        largest = max(largest, float(np.abs(logits - wanted).max()))
        others += int(steps[0] != wanted_steps[0])
        total += int(steps[0])
    return Agreement(len(frames), largest, others, total / len(frames))


def library_video(
    trained: Trained, policy: StepPolicy, frame_shape: tuple[int, int]
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns what `run.Video.run` does, done by the library: its state goes on with each call.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        frame_shape: (height, width) in pixels.
    """
    prepared, state = trained.prepare(frame_shape), first_state(trained, policy, frame_shape)

    def run(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal state
        stateful = trained.config.stateful
        state, out = run_frame(trained.model, prepared, state, frame, policy, stateful=stateful)
        return np.asarray(out.logits), np.asarray(out.steps)

    return run
