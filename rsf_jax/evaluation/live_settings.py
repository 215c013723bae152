"""What a live test is to try."""

import dataclasses

from rsf_jax.evaluation.usual_policies import GATE
from rsf_jax.policies import StepPolicy

STREAMS, LENGTH = 32, 60
REPEATS = 1000  # of a still camera's frame


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is tested.

    Attributes:
        policies: for streams; empty for those of `families`.
        kinds: of `families`, by name; empty for all.
        still_policies: for the still camera; empty for the schedule of training.
        gate: text of the gate of `families`.
        noise: standard deviations of noise; white is 1.
        streams: how many.
        frames: of each.
        repeats: of the still camera's frame; 0 for no still camera.
        split: "test" or "validation", whose videos are shown.
        seed: of the streams.
    """

    policies: tuple[StepPolicy, ...] = ()
    kinds: tuple[str, ...] = ()
    still_policies: tuple[StepPolicy, ...] = ()
    gate: str = GATE
    noise: tuple[float, ...] = (0.0, 0.05)
    streams: int = STREAMS
    frames: int = LENGTH
    repeats: int = REPEATS
    split: str = "test"
    seed: int = 0
