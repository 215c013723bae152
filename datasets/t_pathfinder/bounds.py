"""Bounds: what a recurrent network can score at most, by the pitch of the dashes and its schedule.

Two estimates, both from the lengths of the contours alone; no picture is drawn and no network run.

- *Following*: a later frame's steps carry a state so many segments along a contour, and no farther.
- *Sight*: what is seen of a contour to both sides of a pixel is all there is to tell its length by.

Run in `datasets/`: `python -m t_pathfinder.bounds --config=easy --pitches=5,6,13`. GEOMETRY.md says
what follows from them.
"""

from __future__ import annotations

import argparse
import dataclasses
import re

import numpy as np
from contours.tables import table

from t_pathfinder.plan import draw_plan
from t_pathfinder.settings import GrowthRule
from t_pathfinder.subsets import SUBSETS

# The kernels that a step of the hGRU applies one after the other.
KERNELS_A_STEP = 2


@dataclasses.dataclass(frozen=True)
class Plans:
    """The lengths of many videos.

    Attributes:
        lengths: int32 [V, T, contours], segments.
        target: int32 [V, T], index of the contour to be segmented.
    """

    lengths: np.ndarray
    target: np.ndarray

    def __getitem__(self, frames: slice) -> Plans:
        """The same videos, some of their frames alone."""
        return Plans(self.lengths[:, frames], self.target[:, frames])

    @property
    def target_lengths(self) -> np.ndarray:
        """Segments of the target, int32 [V, T]."""
        return np.take_along_axis(self.lengths, self.target[..., None], axis=2)[..., 0]


def draw_plans(rule: GrowthRule, seed: int, count: int) -> Plans:
    """Draws the first `count` length plans of a seed."""
    drawn = [draw_plan(rule, seed, index) for index in range(count)]
    return Plans(np.stack([p.lengths for p in drawn]), np.stack([p.target for p in drawn]))


def reach(kernel_size: int, steps: int, pitch: float) -> float:
    """Segments along which `steps` recurrent steps carry the state of a pixel.

    Args:
        kernel_size: side of the recurrent kernels, pixels.
        steps: recurrent steps.
        pitch: from dash to dash, pixels.

    Raises:
        ValueError: if the kernel has no middle, or the pitch is not above 0.
    """
    if not 0 < pitch < float("inf"):
        raise ValueError(f"pitch {pitch:g} is not possible: it must be above 0 pixels.")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel {kernel_size} is not possible: it must be odd, such as 15.")
    return KERNELS_A_STEP * (kernel_size // 2) * steps / pitch


def following(plans: Plans, segments: float) -> float:
    """Best mean IoU of a network that follows growing contours so many segments a frame.

    Everything else it does without a fault, the first frame included. Of every contour it knows the
    beginning, and in each later frame `segments` more of it; the contour of which it knows most is
    taken for the target. A real network may guess a little farther, because a contour goes on
    smoothly and a state can run ahead of its tip.

    Args:
        plans: lengths of the videos.
        segments: reached in every later frame.
    """
    known = plans.lengths[:, 0].astype(float)
    taken = plans.target[:, 0]
    rows, scores = np.arange(len(taken)), [1.0]
    for frame in range(1, plans.lengths.shape[1]):
        lengths = plans.lengths[:, frame]
        known = np.minimum(lengths, known + segments)
        longest = known.argmax(1)
        taken = np.where(known[rows, longest] > known[rows, taken], longest, taken)
        right = taken == plans.target[:, frame]
        scores.append(float(np.mean(right * known[rows, taken] / lengths[rows, taken])))
    return float(np.mean(scores))


def sight(plans: Plans, segments: float) -> float:
    """Best mean IoU of an observer that sees so many segments to each side, on one contour alone.

    It has one picture, knows how often each sight is one of a target, and nothing else: neither the
    other contours nor the frame's number. Between whole numbers of segments the score is
    interpolated.

    Args:
        plans: lengths of the videos.
        segments: seen to each side.
    """
    whole, part = divmod(segments, 1)
    score = _sight(plans, int(whole))
    return score if part == 0 else (1 - part) * score + part * _sight(plans, int(whole) + 1)


def _sight(plans: Plans, segments: int) -> float:
    longest = int(plans.lengths.max())
    counts = _sights(longest, min(segments, longest))
    targets = plans.target_lengths.reshape(-1)
    every = plans.lengths.reshape(len(targets), -1)
    of_target = counts[targets]  # [images, sights], segments
    of_others = sum(counts[column] for column in every.T) - of_target
    hits, misses = of_target.sum(0), of_others.sum(0)
    chance = hits / np.maximum(hits + misses, 1)
    # The best rule marks the sights that are a target's more often than some share.
    return max(
        _marked(of_target[:, chance >= least], of_others[:, chance >= least], targets)
        for least in np.unique(chance[hits > 0])
    )


def _marked(of_target: np.ndarray, of_others: np.ndarray, lengths: np.ndarray) -> float:
    """Mean IoU when all segments with some sights are marked."""
    return float(np.mean(of_target.sum(1) / (lengths + of_others.sum(1))))


def _sights(longest: int, segments: int) -> np.ndarray:
    """How often a contour of each length is seen in each way, int64 [longest + 1, sights].

    A sight is what is seen to the nearer and to the farther side: so many segments and the end, or
    `segments` of them.
    """
    counts = np.zeros((longest + 1, segments + 1, segments + 1), int)
    for length in range(1, longest + 1):
        before = np.minimum(np.arange(length), segments)
        np.add.at(
            counts[length], (np.minimum(before, before[::-1]), np.maximum(before, before[::-1])), 1
        )
    return counts.reshape(longest + 1, -1)


def bound(plans: Plans, pitch: float, kernel_size: int, schedule: str, stateless: bool) -> float:
    """Bound of one schedule.

    Args:
        plans: lengths of the videos.
        pitch: from dash to dash, pixels.
        kernel_size: side of the recurrent kernels, pixels.
        schedule: such as s6f1.
        stateless: every frame begins anew, so that sight is the limit; else following is.

    Raises:
        ValueError: if the schedule cannot be read.
    """
    match = re.fullmatch(r"s([1-9]\d*)f([1-9]\d*)", schedule, re.ASCII)
    if match is None:
        raise ValueError(f"schedule {schedule!r} is not possible: it must be such as s6f1.")
    first, later = (reach(kernel_size, int(steps), pitch) for steps in match.groups())
    if not stateless:
        return following(plans, later)
    if first == later:
        return sight(plans, first)
    # By its number of steps the network knows the first frame from the others.
    frames = plans.lengths.shape[1]
    return (sight(plans[:1], first) + (frames - 1) * sight(plans[1:], later)) / frames


def bounds_table(
    plans: Plans, pitches: list[float], kernel_size: int, columns: list[tuple[str, bool]]
) -> str:
    """A Markdown table, a row for each pitch.

    Args:
        plans: lengths of the videos.
        pitches: from dash to dash, pixels.
        kernel_size: side of the recurrent kernels, pixels.
        columns: schedules, each with whether it is Stateless.
    """
    header = ("pitch (px)", "segments a step", *(f"{'Stateless ' * c[1]}{c[0]}" for c in columns))
    rows = []
    for pitch in pitches:
        found = (bound(plans, pitch, kernel_size, *column) for column in columns)
        step = reach(kernel_size, 1, pitch)
        rows.append((f"{pitch:g}", f"{step:.2f}", *(f"{value:.3f}" for value in found)))
    return table(header, rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=sorted(SUBSETS), default="easy", help="rule of growth")
    parser.add_argument("--pitches", default="4,4.5,5,6,7,9,13", help="pixels, commas between them")
    parser.add_argument("--kernel", type=int, default=15, help="side of the kernels, pixels")
    parser.add_argument("--schedules", default="s6f6,s2f2,s6f1", help="commas between them")
    parser.add_argument("--stateless", default="s1f1,s2f2,s4f4,s6f1", help="schedules of Stateless")
    parser.add_argument("--videos", type=int, default=6000, help="length plans drawn")
    flags = parser.parse_args()
    columns = [(name, False) for name in flags.schedules.split(",") if name]
    columns += [(name, True) for name in flags.stateless.split(",") if name]
    subset = SUBSETS[flags.config]
    try:
        pitches = [float(pitch) for pitch in flags.pitches.split(",")]
        plans = draw_plans(subset.settings.rule, subset.seed, flags.videos)
        print(bounds_table(plans, pitches, flags.kernel, columns))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
