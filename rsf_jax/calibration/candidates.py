"""What is calibrated unless told otherwise: candidates, and the reference they are held against."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rsf_jax.calibration.kinds import VIDEOS
from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.evaluation.usual_policies import (
    FAMILIES,
    GATE,
    default_policies,
    families,
    halting_rules,
    learned,
    schedules,
)
from rsf_jax.policies import ChangeGate, StepPolicy, parse_policy, policy_name

if TYPE_CHECKING:  # `--help` names the kinds, and waits for no model
    from rsf_jax.trained.model import Trained

# Kinds of candidates, by family of a live test; of videos, what `_of_videos` says.
KINDS = {
    "all": FAMILIES,
    "halting": ("halting", "gate and halting"),
    "schedules": ("schedules", "gate"),
    "gates": ("skipping alone", "gate", "gate and halting"),
}


def default_reference(trained: "Trained", kind: str, gate: str = GATE) -> StepPolicy:
    """Returns the schedule of training; on streams behind a gate that skips nothing that moves.

    There a schedule alone is no reference. Before a picture that stands still it takes steps that
    training has not had, and drifts; after a cut it starts from another scene's state. Behind a
    gate that skips only what is the same, and begins anew at cuts, it does on a stream what it has
    learned to do on the videos that the stream is made of.

    Args:
        trained: the model.
        kind: of the units.
        gate: text of the gate, of whose numbers that of what is skipped is not used.

    Raises:
        InputError: if it is no gate.
    """
    # See docs/decisions/0024-calibration-without-labels.md.
    if kind == VIDEOS:
        return trained.schedule
    found = parse_policy(f"{gate}+{policy_name(trained.schedule)}")
    if not isinstance(found, ChangeGate):
        raise InputError(f"gate is {gate!r}: one such as {GATE} is needed")
    return dataclasses.replace(found, skip=0.0)


def default_candidates(
    config: Config, kind: str, reference: StepPolicy, gate: str = GATE, of: str = "all"
) -> list[StepPolicy]:
    """Returns the policies of a sweep, or on streams those of a live test, and the reference.

    Args:
        config: of the model.
        kind: of the units.
        reference: with which nothing is lost, nor gained.
        gate: text of a gate without what is inside of it.
        of: "all", or which: "halting", "schedules" or "gates".

    Raises:
        InputError: if there are none of these.
    """
    found = _of_videos(config, of) if kind == VIDEOS else _of_streams(config, gate, of)
    names = map(policy_name, found)
    return found if policy_name(reference) in names else [reference, *found]


def _of_videos(config: Config, of: str) -> list[StepPolicy]:
    found: dict[str, Callable[[Config], Sequence[StepPolicy]]] = {
        "all": default_policies,
        "halting": lambda config: [*halting_rules(config), *learned(config)],
        "schedules": schedules,
    }
    if of not in found:
        raise InputError(f"candidates are {of}: videos have no pauses and cuts, choose another")
    return list(found[of](config))


def _of_streams(config: Config, gate: str, of: str) -> list[StepPolicy]:
    found = families(config, gate)
    return list(itertools.chain.from_iterable(found[name] for name in KINDS[of]))
