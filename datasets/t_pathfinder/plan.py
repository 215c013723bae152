"""Length plan: how many segments each contour has in each frame, before any geometry."""

from __future__ import annotations

import dataclasses

import numpy as np

from t_pathfinder.settings import GrowthRule

# First stream number of a video's random generator; layout attempts use 1, 2, ...
PLAN_STREAM = 0


@dataclasses.dataclass(frozen=True)
class LengthPlan:
    """Lengths and targets of one video.

    Attributes:
        lengths: int32 [frames, contours], segments; contour 0 starts as the longest.
        target: int32 [frames], index of the contour to be segmented.
    """

    lengths: np.ndarray
    target: np.ndarray


def draw_plan(rule: GrowthRule, seed: int, index: int) -> LengthPlan:
    """Draws the lengths of video `index`; geometry never changes them.

    All random numbers are drawn up front, so what one contour does never shifts another's.

    Args:
        rule: growth rule.
        seed: seed of the subset, 0 or above.
        index: number of the video, 0 or above.

    Returns:
        The plan, a pure function of the three arguments.

    Source: RecSlowFast, section 4.1.
    """
    rng = np.random.default_rng([seed, index, PLAN_STREAM])
    steps = (rule.frames - 1, rule.contours)
    least, most = rule.distractor_start
    starts = rng.integers(least, most + 1, size=rule.distractors)
    chance = rng.random(steps)
    gain = rng.integers(rule.growth[0], rule.growth[1] + 1, size=steps)
    lengths = np.empty((rule.frames, rule.contours), np.int32)
    lengths[0] = [rule.longest_start, *starts]
    target = np.zeros(rule.frames, np.int32)
    for frame in range(1, rule.frames):
        slow = target[frame - 1] if rule.slow_contour == "current" else 0
        lengths[frame] = _grow(rule, lengths[frame - 1], slow, chance[frame - 1], gain[frame - 1])
        target[frame] = _next_target(rule, lengths[frame], target[frame - 1])
    return LengthPlan(lengths, target)


def _grow(
    rule: GrowthRule, before: np.ndarray, slow: int, chance: np.ndarray, gain: np.ndarray
) -> np.ndarray:
    """Lengths [contours] one frame later; without overtaking, contour 0's new length is the cap."""
    probability = np.full(rule.contours, rule.distractor_probability)
    probability[slow] = rule.longest_probability
    after = before + gain * (chance < probability)
    return after if rule.overtaking else np.minimum(after, after[0])


def _next_target(rule: GrowthRule, lengths: np.ndarray, previous: int) -> int:
    """The strictly longest contour; a tie with the previous target keeps it."""
    longest = int(np.argmax(lengths))  # the first of equals
    return longest if rule.overtaking and lengths[longest] > lengths[previous] else int(previous)
