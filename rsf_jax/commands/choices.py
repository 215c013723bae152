"""Flags that several commands have, each where it is wanted, and what they choose."""

import itertools
from collections.abc import Callable
from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax import policies

# A flag that is defined here is one of the module that asks for it.
flags.disclaim_key_flags()

CALIBRATED = "calibrated"
_OF_TRAINING = "the schedule of training unless given"


def checkpoint() -> flags.FlagHolder:
    """Defines `--checkpoint`: None for the best one."""
    return flags.DEFINE_integer(
        "checkpoint", None, "number of updates; the best on validation unless given"
    )


def policy() -> flags.FlagHolder:
    """Defines `--policy`: None for the schedule of training."""
    return flags.DEFINE_string("policy", None, f"{policies.GRAMMAR}; {_OF_TRAINING}")


def policy_or_calibrated() -> flags.FlagHolder:
    """Defines `--policy`, which may be what the command `calibrate` has found."""
    text = f"{policies.GRAMMAR}; or {CALIBRATED}, what calibrate found; {_OF_TRAINING}"
    return flags.DEFINE_string("policy", None, text)


def policy_list(what: str) -> flags.FlagHolder:
    """Defines `--policies`."""
    return flags.DEFINE_list("policies", [], f"{what}, separated by commas")


def confidence() -> flags.FlagHolder:
    """Defines `--confidence`."""
    return flags.DEFINE_float("confidence", 0.95, "probability that the guarantee holds")


def videos(what: str) -> flags.FlagHolder:
    """Defines `--videos`, 0 for all."""
    return flags.DEFINE_integer("videos", 0, f"{what}; 0 for all", lower_bound=0)


def frame_size(unless: str) -> flags.FlagHolder:
    """Defines `--frame_size`."""
    return flags.DEFINE_string(
        "frame_size", None, f"HEIGHTxWIDTH of frames in pixels; {unless} unless given"
    )


def inputs(text: str) -> Callable[[], list[str]]:
    """Defines `--inputs`, and `--input` for names with commas; returns what reads both.

    Args:
        text: what `--help` says of the first.

    Returns:
        As `all_inputs`, of what was given.
    """
    several = flags.DEFINE_list("inputs", [], text)
    single = flags.DEFINE_multi_string(
        "input", [], "an input as it is, commas and all; may be given several times"
    )
    return lambda: all_inputs(several.value, single.value)


def all_inputs(inputs: list[str], single: list[str]) -> list[str]:
    """Returns what `--inputs` and `--input` name together.

    Raises:
        InputError: if a name was taken apart at its comma.
    """
    for first, second in itertools.pairwise(inputs):
        name = f"{first},{second}"
        if Path(name).exists() and not Path(first).exists():
            raise rsf.InputError(
                f"--inputs is taken apart at commas: write --input='{name}', which is not"
            )
    return [*inputs, *single]


def parsed(text: str | None) -> rsf.StepPolicy | None:
    """Returns the policy of a flag; None where none was given, or a calibrated one."""
    return None if text in (None, CALIBRATED) else rsf.parse_policy(str(text))


def chosen(text: str | None, trained: "rsf.Trained", folder: Path) -> rsf.StepPolicy:
    """Returns the policy of `policy_or_calibrated`.

    Raises:
        InputError: if it is none, or nothing was calibrated in that folder.
    """
    if text == CALIBRATED:
        from rsf_jax.calibration import load_calibration

        return policies.read_policy(load_calibration(folder, trained))
    return parsed(text) or trained.schedule
