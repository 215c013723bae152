"""What a user writes: `.ci/wheel` checks its types against the installed package, and runs it.

python users_program.py VIDEO.mp4 leaves a video of a moving bar there.
"""

import sys
from typing import TYPE_CHECKING, assert_type

import jax
import numpy as np

import rsf_jax as rsf
from rsf_jax.media import VideoWriter

if TYPE_CHECKING:  # mistakes that a checker finds; one that it does not is an unused comment
    missing = rsf.no_such_name  # type: ignore[attr-defined]
    rsf.FixedSchedule(slow="two", fast=1)  # type: ignore[arg-type]


def bar(count: int) -> np.ndarray:
    """Frames of a bar that moves, uint8 [count, 36, 36, 1]."""
    frames = np.zeros((count, 36, 36, 1), np.uint8)
    for place, frame in enumerate(frames):
        frame[16:20, place : place + 12] = 255
    return frames


def main(path: str) -> None:
    """Runs a bundled model on frames, says what it did, and writes them as a video."""
    trained = rsf.load_pretrained("quickstart_live16")
    assert_type(trained, rsf.Trained)
    assert_type(rsf.__version__, str)
    frames, policy = bar(8), rsf.FixedSchedule(slow=2, fast=1)
    out = rsf.run_video(trained.model, trained.variables, frames[None], policy)
    assert_type(out, rsf.VideoOutput)
    assert_type(rsf.get_config("quickstart"), rsf.Config)
    print(rsf.__version__, jax.__version__, out.logits.shape, int(out.steps.sum()), "steps")
    with VideoWriter(path, frames_per_second=10) as video:
        for frame in frames:
            video.write(np.repeat(frame, 3, axis=-1))


if __name__ == "__main__":
    main(sys.argv[1])
