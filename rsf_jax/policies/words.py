"""Policies in words, for readers who do not know their notation."""

from collections.abc import Mapping
from typing import Any

from rsf_jax.policies.halting import NEVER

_METRICS = {
    "l1": "the sum of absolute differences",
    "l2": "Euclidean distance",
    "pattern": "Euclidean distance, each channel's mean taken off",
}


def in_words(spec: Mapping[str, Any]) -> str:
    """Returns what a policy does, a sentence without its full stop.

    Args:
        spec: of a policy, as `policies.to_spec` returns it. Of one of a user's kind, or of one that
            an earlier version has written less of, the kind is told.
    """
    try:
        text = _KINDS[spec["kind"]](spec)
    except KeyError:
        text = f"{spec['kind']}, a policy of one's own"
    inner = spec.get("inner")
    return f"{text}; otherwise {in_words(inner)}" if isinstance(inner, Mapping) else text


def _schedule(spec: Mapping[str, Any]) -> str:
    slow, fast = spec["slow_steps"], spec["fast_steps"]
    if slow == fast:
        return f"{_steps(slow)} on every frame"
    return f"{_steps(slow)} on a video's first frame, {fast} on each later one"


def _halting(spec: Mapping[str, Any]) -> str:
    ends = []
    if spec["threshold"] != NEVER:
        share = _number(spec["threshold"])
        ends.append(f"moves the hidden state less than {share} times as far as the one before")
    if spec["rtol"]:
        ends.append(f"moves the hidden state by at most {_number(spec['rtol'])} of its own size")
    metric = _METRICS.get(spec["metric"], spec["metric"])
    return f"recurrent steps until one {' or '.join(ends)} ({metric}){_limits(spec)}"


def _gate(spec: Mapping[str, Any]) -> str:
    return (
        f"no step where at most {_percent(spec['skip'])} of the pixels have changed, a fresh state "
        f"where more than {_percent(spec['cut'])} have"
    )


def _refresh(spec: Mapping[str, Any]) -> str:
    return f"a fresh state every {spec['every']} frames"


def _anderson(spec: Mapping[str, Any]) -> str:
    memory = spec["memory"]
    steps = "two steps" if memory == 1 else f"{memory + 1} steps"
    return f"each step from a mix of what the last {steps} have reached (Anderson acceleration)"


_READ_OUT = {
    "entropy": "the classes of {which} have at most {} of the entropy that they could have",
    "flips": "at most {} of the pixels change their class",
    "news": "at most {} of the pixels change to a class that they have not had in the frame",
    "change": "at most {} of a pixel's class probability, on average, goes to other classes",
}


def _readout(spec: Mapping[str, Any]) -> str:
    share = spec["share"]
    which = "all pixels" if share == 1 else f"the {_percent(share)} least certain pixels"
    until = _READ_OUT[spec["rule"]].format(_percent(spec["threshold"]), which=which)
    return f"recurrent steps until {until}{_limits(spec)}"


def _ponder(spec: Mapping[str, Any]) -> str:
    sure = _percent(spec["threshold"])
    until = f"the learned probability of having halted is {sure}"
    return f"recurrent steps until {until}{_limits(spec)}"


def _act(spec: Mapping[str, Any]) -> str:
    until = f"learned scores add up to all but {_percent(spec['epsilon'])}"
    return f"recurrent steps until {until}{_limits(spec)}, and their mean state by these scores"


_KINDS = {
    "schedule": _schedule,
    "halting": _halting,
    "gate": _gate,
    "refresh": _refresh,
    "anderson": _anderson,
    "readout": _readout,
    "ponder": _ponder,
    "act": _act,
}


def _limits(spec: Mapping[str, Any]) -> str:
    """The most steps, and the fewest if there are any, in all frames and in first ones."""
    least, first = spec["min_steps"], spec["min_first_steps"]
    told = f", at most {spec['max_steps']}"
    if least > 1:
        told += f", at least {least}"
    return f"{told}, at least {first} on a video's first frame" if first > least else told


def _steps(count: int) -> str:
    return f"{count} recurrent step{'' if count == 1 else 's'}"


def _number(value: Any) -> str:
    """A number, or one for each sample."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _percent(share: Any) -> str:
    return f"{100 * share:.3g} %" if isinstance(share, int | float) else f"shares {share}"
