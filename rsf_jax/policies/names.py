"""Policies as texts: the one parser of their texts."""

import re
from collections.abc import Callable
from typing import Any

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError
from rsf_jax.policies import arguments
from rsf_jax.policies.base import StepPolicy
from rsf_jax.policies.halting import DEFAULTS, METRICS, NEVER, DistanceHalting
from rsf_jax.policies.registered import POLICIES, WITH_GRAMMAR, kind_of
from rsf_jax.policies.schedule import FixedSchedule

GRAMMAR = (
    "s{S}f{F}, S recurrent steps on the first frame and F on each later one, such as s8f2; or "
    "METRIC:THRESHOLD:MAX_STEPS, halting by distance, such as l2:1.0:12, or "
    "METRIC:rtol=R:MAX_STEPS without a threshold, such as pattern:rtol=0.2:12, with any of "
    ":min_steps=2, :min_first_steps=4, :rtol=1e-4 and :epsilon=1e-8 after it; or "
    "readout:RULE:THRESHOLD:MAX_STEPS, halting by what is read out, RULE one of entropy, flips, "
    "news and change, such as readout:flips:0.002:12, with any of :min_steps=2, "
    ":min_first_steps=4 and, of entropy, :share=0.1 after it; or ponder:THRESHOLD:MAX_STEPS or "
    "act:EPSILON:MAX_STEPS, halting as the model has learned it, such as ponder:0.5:12 or "
    "act:0.01:12, with any of :min_steps=2 and :min_first_steps=4 after it; or "
    "NAME:ARGUMENT:... of a registered policy; in front of any of them gate:SKIP:CUT+, no step "
    "where at most a share SKIP of the pixels has changed and a fresh state where more than CUT "
    "has, such as gate:0.01:0.45+s6f1, with any of :contrast=0.1, :deviations=5 and :pool=4, or "
    "refresh:FRAMES+, a fresh state every so many frames, such as refresh:64+s3f1, or "
    "anderson:MEMORY+, steps by Anderson acceleration with so many differences, such as "
    "anderson:5+s6f1, with :ridge=1e-4 and :mixing=1"
)
# The same for a message, which is a line: `--help` and the documentation say the rest.
FORMS = (
    "s{S}f{F}, such as s8f2, METRIC:THRESHOLD:MAX_STEPS, such as l2:1.0:12, "
    "METRIC:rtol=R:MAX_STEPS, such as pattern:rtol=0.2:12, readout:RULE:THRESHOLD:MAX_STEPS, "
    "ponder:THRESHOLD:MAX_STEPS, act:EPSILON:MAX_STEPS or NAME:ARGUMENT:... of your own; in front "
    "of any of them gate:SKIP:CUT+, refresh:FRAMES+ or anderson:MEMORY+"
)
# A text of a policy inside: a number, such as 1e+5, goes on with a digit.
_INSIDE = re.compile(r"\+(?!\d)")
# Texts come over networks as well, and each policy around another makes the compiled program
# larger: dozens take minutes and gigabytes to compile.
_MOST_CHARACTERS = 1000
_MOST_AROUND = 8


def parse_policy(text: str) -> StepPolicy:
    """Returns the policy that a command's `--policy` names, such as "s8f2" or "l2:1.0:12".

    `parse_policy(policy_name(policy))` is the policy again, but for what is not registered.

    Raises:
        InputError: if it is none.
    """
    if not isinstance(text, str):
        raise InputError(f"policy {text!r} is no text: write {FORMS}")
    if len(text) > _MOST_CHARACTERS:
        begin = text[:40]
        raise InputError(
            f"policy {begin!r}... has {len(text)} characters: up to {_MOST_CHARACTERS} are read"
        )
    if (around := len(_INSIDE.findall(text))) > _MOST_AROUND:
        raise InputError(
            f"policy {text!r}: {around} policies are around the last: {_MOST_AROUND} at most"
        )
    try:
        return _parse(text)
    except InputError as error:
        raise InputError(f"policy {text!r}: {error}") from error
    except (ValueError, KeyError) as error:
        raise InputError(f"policy {text!r} is unknown: write {FORMS}") from error


def policy_name(policy: StepPolicy) -> str:
    """Returns a policy as `parse_policy` reads it; of one that is not registered, its `str`."""
    kind = kind_of(policy)
    if kind is None or kind in WITH_GRAMMAR:
        return str(policy)
    written = ":".join([kind, *arguments.write(policy)])
    inner = getattr(policy, arguments.INNER, None)
    return written if inner is None else f"{written}+{policy_name(inner)}"


def renamed(text: str) -> str:
    """Returns a text as this version writes it: earlier ones wrote the threshold `NEVER`.

    Texts of what is not registered stay as they are.
    """
    try:
        return policy_name(parse_policy(text))
    except InputError:
        return text


def file_suffix(policy: StepPolicy) -> str:
    """Returns a policy's name as part of a file's name."""
    # In full: a run's files keep the names that they had when texts had a threshold always, or its
    # tests would be there twice. See docs/decisions/0002-policies-in-files.md.
    named = policy.in_full() if type(policy) is DistanceHalting else policy_name(policy)
    return re.sub(r"[:=+]", "_", named)


def _parse(text: str) -> StepPolicy:
    schedule = re.fullmatch(r"s(\d+)f(\d+)", text, re.ASCII)
    if schedule is not None:
        return FixedSchedule(int(schedule[1]), int(schedule[2]))
    outer, *inner = _INSIDE.split(text, maxsplit=1)
    name, *parts = outer.split(":")
    if name in POLICIES and name not in WITH_GRAMMAR:
        inside = _parse_inner(name, inner)
        return made(POLICIES[name], lambda maker: arguments.make(maker, parts, inside))
    if inner:
        around = [n for n, maker in POLICIES.items() if arguments.takes_inner(maker)]
        raise InputError(
            f"{outer!r} is no policy around another: one of {', '.join(around)} goes in front of "
            f"a +{suggestion(name, around)}"
        )
    return _parse_halting(name, parts)


def _parse_inner(name: str, inner: list[str]) -> StepPolicy | None:
    """The policy inside of one of a name."""
    if not arguments.takes_inner(POLICIES[name]):
        if inner:
            raise InputError(f"{name!r} takes no policy inside: leave '+{inner[0]}' out")
        return None
    if not inner:
        raise InputError(f"{name!r} is around another policy: add that, as in {name}:...+s6f1")
    return parse_policy(inner[0])


def made(maker: Callable, call: Callable[[Callable], Any]) -> StepPolicy:
    """Returns the policy that a user's class or function makes.

    Raises:
        InputError: if it fails, or makes something else.
    """
    try:
        policy = call(maker)
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{type(error).__name__}: {error}") from error
    if isinstance(policy, type) or not isinstance(policy, StepPolicy):
        raise InputError(
            f"{policy!r} was made, which is no step policy: one has max_steps, "
            "singles_out_first_frame and unroll"
        )
    return policy


def _parse_halting(metric: str, parts: list[str]) -> DistanceHalting:
    if metric and parts and metric not in METRICS:
        known = [*METRICS, *(name for name in POLICIES if name not in WITH_GRAMMAR)]
        raise InputError(
            f"metric {metric!r} is none of {', '.join(known)}{suggestion(metric, known)}; one of "
            "your own is registered by rsf.register_metric or rsf.register_policy"
        )
    threshold, max_steps, *options = parts
    never = threshold.startswith("rtol=")
    settings: dict[str, Any] = {}
    for name, value in map(_option, [threshold, *options] if never else options):
        if name in settings:
            raise InputError(f"{name} is given twice: leave one out")
        settings[name] = value
    least = NEVER if never else arguments.number(float, threshold)
    return DistanceHalting(metric, least, arguments.number(int, max_steps), **settings)


def _option(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, arguments.number(type(DEFAULTS[name]), value)
