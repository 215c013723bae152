"""Policies as launchers and files write them."""

import re
from typing import Any

from rsf_jax.errors import InputError
from rsf_jax.policies.base import StepPolicy
from rsf_jax.policies.halting import DEFAULTS, METRICS, DistanceHalting
from rsf_jax.policies.schedule import FixedSchedule

GRAMMAR = (
    "s{S}f{F}, S recurrent steps on the first frame and F on each later one, such as s8f2; or "
    "METRIC:THRESHOLD:MAX_STEPS, halting by distance, such as l2:1.0:12, with any of "
    ":min_steps=2, :min_first_steps=4, :rtol=1e-4 and :epsilon=1e-8 after it"
)


def parse_policy(text: str) -> StepPolicy:
    """Returns the policy that a launcher's `--policy` names, such as "s8f2" or "l2:1.0:12".

    `parse_policy(str(policy))` is the policy again, but for metrics that are functions.

    Raises:
        InputError: if it is none.
    """
    if not isinstance(text, str):
        raise InputError(f"policy {text!r} is no text: write {GRAMMAR}")
    schedule = re.fullmatch(r"s(\d+)f(\d+)", text, re.ASCII)
    try:
        if schedule is not None:
            return FixedSchedule(int(schedule[1]), int(schedule[2]))
        return _parse_halting(text)
    except InputError as error:
        raise InputError(f"policy {text!r}: {error}") from error
    except (ValueError, KeyError) as error:
        raise InputError(f"policy {text!r} is unknown: write {GRAMMAR}") from error


def file_suffix(policy: StepPolicy) -> str:
    """Returns a policy's name as part of a file's name."""
    return re.sub(r"[:=]", "_", str(policy))


def _parse_halting(text: str) -> DistanceHalting:
    metric, threshold, max_steps, *options = text.split(":")
    if metric not in METRICS:
        raise InputError(f"metric {metric!r} is none of {', '.join(METRICS)}")
    settings: dict[str, Any] = {}
    for name, value in map(_option, options):
        if name in settings:
            raise InputError(f"{name} is given twice: leave one out")
        settings[name] = value
    return DistanceHalting(metric, _number(float, threshold), _number(int, max_steps), **settings)


def _option(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, _number(type(DEFAULTS[name]), value)


def _number(kind: type, text: str) -> Any:
    """As Python reads it, but for spaces, underscores and the digits of other scripts."""
    if not re.fullmatch(r"[a-z0-9.+-]+", text, re.IGNORECASE | re.ASCII):
        raise ValueError(f"{text!r} is no number")
    return kind(text)
