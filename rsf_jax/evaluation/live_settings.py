"""What a live test is to try."""

import dataclasses

from rsf_jax.arguments import check_choice, check_share, several, whole
from rsf_jax.checks import checked_policies
from rsf_jax.evaluation.usual_policies import FAMILIES, GATE, TOLD, check_gate
from rsf_jax.policies import StepPolicy

STREAMS, LENGTH = 32, 60
REPEATS = 1000  # of a still camera's frame


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is tested.

    Attributes:
        policies: for streams; empty for those of `families`.
        kinds: of `families`, by name; empty for all the model has.
        still_policies: for the still camera; empty for the schedule of training.
        gate: text of the gate of `families`.
        noise: standard deviations of noise; white is 1.
        streams: how many.
        frames: of each.
        repeats: of the still camera's frame; 0 for no still camera.
        split: "test" or "validation", whose videos are shown.
        seed: of the streams, 0 or above.

    Raises:
        InputError: if one of them is none of these.
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

    def __post_init__(self) -> None:
        """Checks all of it before anything is computed."""
        numbers = "one share of white or more is needed, such as [0.0, 0.05]"
        lists = {
            "policies": checked_policies(self.policies),
            "kinds": several("kinds", self.kinds, f"a list is needed, such as [{FAMILIES[0]!r}]"),
            "still_policies": checked_policies(self.still_policies, "still_policies"),
            "noise": several("noise", self.noise, numbers, least=1),
        }
        for name, found in lists.items():
            object.__setattr__(self, name, found)
        for kind in lists["kinds"]:
            check_choice("kinds", kind, (*FAMILIES, TOLD))
        for noise in lists["noise"]:
            check_share("noise", noise)
        check_gate(self.gate)
        for name, least in (("streams", 1), ("frames", 1), ("repeats", 0), ("seed", 0)):
            whole(name, getattr(self, name), least)
        check_choice("split", self.split, ("test", "validation"))
