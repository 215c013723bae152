"""The policies that are tested unless others are given: on videos, and on live streams."""

import math
from collections.abc import Sequence
from typing import Any

from rsf_jax.config.build import training_schedule
from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.models.halting_head import ACT, PONDER
from rsf_jax.policies import (
    NEVER,
    ActHalting,
    DistanceHalting,
    FixedSchedule,
    PonderHalting,
    StepPolicy,
    parse_policy,
    policy_name,
)
from rsf_jax.policies.act import EPSILON
from rsf_jax.policies.ponder import MEDIAN

# Halting by the ratio of distances, alone and with the first frame's minimum. Source: Wang et al.
# 2023, table 2, for the first.
RATIOS = (0.8, 0.9, 1.0, 1.1)
RATIOS_WITH_MINIMUM = (0.5, 0.6, 0.7, 0.8, 0.9)
# Halting by the movement relative to the state alone: patterns move more, and longer.
MOVEMENTS = {
    "l1": (0.01, 0.02, 0.03, 0.05, 0.08, 0.12),
    "l2": (0.01, 0.02, 0.03, 0.05, 0.08, 0.12),
    "pattern": (0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3),
}
# Probabilities of having halted at which frames end, of a head that is trained for it.
HALTED = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
# What may be missing to a sum of one, of a head whose scores add up.
MISSING = (0.01, 0.1, 0.2, 0.35, 0.5, 0.65)
_COUNTS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 24)
# Of T-Pathfinder, whose scenes are thin lines: in 36x36 pixels up to 2 that differ are none, more
# than 60 another scene. See docs/decisions/0022-gates.md.
GATE = "gate:0.0023:0.046"
_ON_STREAMS = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07)
_REFRESHES = (4, 8, 16, 32)
FAMILIES = ("schedules", "refresh", "halting", "skipping alone", "gate", "gate and halting")
TOLD = "told what happens"


def default_policies(config: Config) -> list[StepPolicy]:
    """Returns schedules and halting rules around what a model was trained with.

    Among them are policies with more steps than in training, up to `cap_steps`.
    """
    return [*schedules(config), *halting_rules(config), *learned(config)]


def schedules(config: Config) -> list[FixedSchedule]:
    """Returns the schedules of `default_policies`."""
    slow, cap = config.slow_steps, cap_steps(config)
    uniform = [(n, n) for n in sorted({*(n for n in _COUNTS if n < cap), slow, cap})]
    fewer_later = [(first, n) for first in (slow, cap) for n in _COUNTS if n < slow]
    return [FixedSchedule(*counts) for counts in uniform + fewer_later]


def halting_rules(config: Config) -> list[DistanceHalting]:
    """Returns the halting rules of `default_policies`.

    By the paper's ratio of distances; by that, but with the training's slow steps on the first
    frame at least; and by the movement relative to the state.
    """
    slow, cap = config.slow_steps, cap_steps(config)
    rules = []
    for metric, movements in MOVEMENTS.items():
        rules += [DistanceHalting(metric, t, cap) for t in RATIOS]
        rules += [
            DistanceHalting(metric, t, cap, min_first_steps=slow) for t in RATIOS_WITH_MINIMUM
        ]
        rules += [DistanceHalting(metric, NEVER, cap, rtol=r) for r in movements]
    return rules


def learned(config: Config) -> list[StepPolicy]:
    """Returns the policies of `default_policies` that read a halting head, if there is one."""
    cap = cap_steps(config)
    if config.halting_head == PONDER:
        own: StepPolicy = PonderHalting(MEDIAN, training_schedule(config).max_steps)
        return [own, *(PonderHalting(p, cap) for p in HALTED)]
    if config.halting_head == ACT:
        own = ActHalting(EPSILON, training_schedule(config).max_steps)
        return [own, *(ActHalting(e, cap) for e in MISSING)]
    return []


def cap_steps(config: Config) -> int:
    """Returns the most steps of halting unless told otherwise: half as many again, as published."""
    trained = training_schedule(config).max_steps
    return max(trained + 4, math.ceil(1.5 * trained))


def families(config: Config, gate: str = GATE) -> dict[str, list[StepPolicy]]:
    """Returns policies with and without a gate around what a model was trained with, by kind.

    Args:
        config: of the model.
        gate: text of a gate, without what is inside of it.

    Raises:
        InputError: if it is none.
    """
    slow, fast = config.slow_steps, config.fast_steps
    skipping = f"{':'.join(gate.split(':')[:2])}:1"
    if not config.stateful:
        # Every frame is a first one: there is nothing to keep, to reset or to go on from.
        own = policy_name(FixedSchedule(slow, fast))
        return {
            "schedules": [FixedSchedule(slow, fast)],
            "skipping alone": [parse_policy(f"{skipping}+{own}")],
        }
    more = 2 * slow
    pairs = [(slow, fast), (more, fast), (more, fast + 1), (more + 2, fast + 1)]
    pairs += [(more + 2, fast + 2), (2 * more, fast + 2)]
    schedules = [FixedSchedule(*pair) for pair in dict.fromkeys(pairs)]
    most = max(cap_steps(config), 12)
    rules: list[StepPolicy] = [
        DistanceHalting("pattern", NEVER, most, rtol=r, min_first_steps=slow) for r in _ON_STREAMS
    ]
    rules += learned(config)
    own = policy_name(schedules[0])

    def inside(prefix: str, policies: Sequence[StepPolicy]) -> list[StepPolicy]:
        return [parse_policy(f"{prefix}+{policy_name(policy)}") for policy in policies]

    return {
        "schedules": list(schedules),
        "refresh": [parse_policy(f"refresh:{n}+{own}") for n in _REFRESHES],
        "halting": list(rules),
        "skipping alone": inside(skipping, schedules),
        "gate": inside(gate, _pairs(slow, fast)),
        "gate and halting": inside(gate, rules),
        TOLD: [*schedules, *rules],
    }


def check_gate(gate: Any) -> None:
    """Raises InputError unless it is the text of a gate, without what is inside of it."""
    if not isinstance(gate, str) or not gate.startswith("gate:"):
        raise InputError(f"gate is {gate!r}: give gate:SKIP:CUT, such as {GATE}")
    parse_policy(f"{gate}+s1f1")


def _pairs(slow: int, fast: int) -> list[FixedSchedule]:
    """Fixed steps for a scene's first frame and for its changes: one of them for every budget."""
    firsts = [slow, slow + 1, 2 * slow, 2 * slow + 2, 4 * slow]
    pairs = [(first, fast + more) for more in range(3) for first in firsts]
    return [FixedSchedule(*pair) for pair in dict.fromkeys(pairs) if pair[1] <= pair[0]]
