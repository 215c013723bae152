"""Built-in streams: live T-Pathfinder, with its pauses and cuts, made while they are shown."""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.policies import StepPolicy, parse_policy
from rsf_jax.serving.feeds import Feed, at_pace

MODEL = "quickstart_live16"
POLICY = "gate:0.0023:0.046+pattern:rtol=0.2:12"
FRAMES_PER_SECOND = 8.0
_SUBSETS = {(36, 36): "quickstart_live", (72, 72): "easy72_live"}
_APART = 1000  # numbers of streams between two that are shown side by side


def policy() -> StepPolicy:
    """Returns the policy under which the adaptive computation is seen."""
    return parse_policy(POLICY)


def feeds(
    count: int, frame_shape: tuple[int, int, int], frames_per_second: float = FRAMES_PER_SECOND
) -> list[Feed]:
    """Returns streams of a longest contour to follow.

    Args:
        count: how many.
        frame_shape: (height, width, channels) of the model's frames.
        frames_per_second: of each.

    Raises:
        InputError: if there are no such streams of this size.
    """
    name = _SUBSETS.get(frame_shape[:2])
    if name is None or frame_shape[2] != 1:
        sizes = ", ".join(f"{h}x{w}" for h, w in _SUBSETS)
        raise InputError(f"built-in streams are gray frames of {sizes} pixels: take such a model")
    from rsf_jax.datasets.t_pathfinder_live.subsets import SUBSETS

    subset = SUBSETS[name]
    found = []
    for number in range(count):
        rounds = itertools.count(number * _APART)
        frames = partial(_round, subset, rounds)
        found.append(Feed(f"contour-{number + 1}", at_pace(frames, frames_per_second)))
    return found


def _round(subset: Any, rounds: Iterator[int]) -> Iterator[np.ndarray]:
    """The frames of the next stream."""
    from rsf_jax.datasets.t_pathfinder_live.generator import stream

    yield from stream(subset.settings, subset.seed, next(rounds))["frames"]
