"""Compares a program with the library, frame by frame, each with the state that it has left."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax.policies import StepPolicy
from rsf_jax.programs import manifest
from rsf_jax.programs.frame_step import first_state
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
        frames: uint8 [T, H, W, I].
    """
    video, shape = open_program(folder), (frames.shape[1], frames.shape[2])
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


def open_program(folder: str | Path, batch: int = 1) -> Any:
    """Returns a `Video` of the reader that lies beside a program.

    Args:
        folder: of the program.
        batch: videos side by side, if the program takes any number.
    """
    told = json.loads((Path(folder) / manifest.FILE).read_text())
    if told.get("program") == "onnx":
        from rsf_jax.programs import run_onnx

        return run_onnx.Video(folder, batch)
    from rsf_jax.programs import run

    return run.Video(folder, batch)
