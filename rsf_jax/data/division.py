"""Which training videos are kept for validation and calibration, so that they share no frame.

By what they are told apart is the clause "sequences" of docs/dataset-contract.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np

# The division is the same for every run and seed: see docs/decisions/0013-divisions-and-labels.md.
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Division:
    """Indices of videos, ascending; no frame is in two parts.

    Attributes:
        train, validation, calibration: the parts.
    """

    train: np.ndarray
    validation: np.ndarray
    calibration: np.ndarray


@dataclasses.dataclass(frozen=True)
class Clip:
    """Where a video comes from.

    Attributes:
        sequence: name of a longer video.
        frames: numbers of its frames in that.
    """

    sequence: Hashable
    frames: tuple[int, ...]


def divide(videos: Sequence[Clip] | int, validation: int, calibration: int) -> Division:
    """Divides training videos.

    Videos that have nothing to do with each other are drawn one by one. Clips of longer sequences
    are divided by sequence, each of which is whole in one part; where there are too few sequences
    for that, by runs of frames: validation and calibration are the end, and clips that would lie
    across a border are left out.

    Args:
        videos: where each comes from, in the order of the frames; or their number, if each stands
            for itself.
        validation: wanted number of videos.
        calibration: likewise.

    Returns:
        The parts; of sequences a part may have more or fewer than were wanted, at least one.
    """
    if isinstance(videos, int):
        return _one_by_one(videos, validation, calibration)
    sequences = list(dict.fromkeys(video.sequence for video in videos))
    if len(sequences) == len(videos):
        return _one_by_one(len(videos), validation, calibration)
    wanted = [count for count in (validation, calibration) if count]
    if len(sequences) > len(wanted):
        return _by_sequence(videos, validation, calibration)
    return _by_runs(videos, validation, calibration)


def _one_by_one(count: int, validation: int, calibration: int) -> Division:
    drawn = np.random.default_rng(_SEED).permutation(count)
    kept = validation + calibration
    parts = drawn[kept:], drawn[:validation], drawn[validation:kept]
    return Division(*map(np.sort, parts))


def _by_sequence(videos: Sequence[Clip], validation: int, calibration: int) -> Division:
    members: dict[Hashable, list[int]] = {}
    for index, video in enumerate(videos):
        members.setdefault(video.sequence, []).append(index)
    drawn = np.random.default_rng(_SEED).permutation(len(members))
    left = [list(members.values())[i] for i in drawn]
    parts = []
    for wanted, later in ((validation, 1 + (calibration > 0)), (calibration, 1)):
        taken = _take(left, wanted, len(left) - later) if wanted else []
        left = [sequence for sequence in left if sequence not in taken]
        parts.append(taken)
    return Division(*(_indices(part) for part in (left, *parts)))


def _take(sequences: list[list[int]], wanted: int, most: int) -> list[list[int]]:
    """Sequences with about as many clips as wanted: at least one, at most `most`."""
    fitting = [s for s in sequences if len(s) <= wanted] or [min(sequences, key=len)]
    taken, count = fitting[:1], len(fitting[0])
    for sequence in fitting[1:]:
        if len(taken) < most and count + len(sequence) / 2 <= wanted:
            taken.append(sequence)
            count += len(sequence)
    return taken


def _by_runs(videos: Sequence[Clip], validation: int, calibration: int) -> Division:
    left = list(range(len(videos)))
    parts: list[list[int]] = []
    for wanted in (calibration, validation):
        part = left[len(left) - wanted :]
        seen = {frame for i in part for frame in _frames(videos[i])}
        left = [i for i in left if not seen & _frames(videos[i])]
        parts.append(part)
    return Division(*(np.array(part, int) for part in (left, parts[1], parts[0])))


def _frames(video: Clip) -> set[tuple[Hashable, int]]:
    return {(video.sequence, number) for number in video.frames}


def _indices(sequences: list[list[int]]) -> np.ndarray:
    return np.array(sorted(index for sequence in sequences for index in sequence), int)
