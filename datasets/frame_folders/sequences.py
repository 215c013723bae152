"""Frames to sequences to clips."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import re
import statistics
from collections.abc import Iterable

from frame_folders.problems import Problems

# `0001TP_006690`, `Seq05VD_f00000`, `walk-12`, `0003`: sequence, perhaps a letter, number.
_NAME = re.compile(r"(?P<sequence>.*?)(?:[_\-. ]+[A-Za-z]?)?(?P<number>\d{1,18})")

# A step between frame numbers that is so many times the usual one is a gap.
GAP = 2


@dataclasses.dataclass(frozen=True)
class Frame:
    """One image and its mask.

    Attributes:
        image: file of the image.
        mask: file of the class indices; None if nobody has labeled the frame.
        sequence: name of the sequence that it belongs to.
        number: place in the sequence.
    """

    image: pathlib.Path
    mask: pathlib.Path | None
    sequence: str
    number: int


@dataclasses.dataclass(frozen=True)
class Clip:
    """Consecutive frames of one sequence.

    Attributes:
        frames: the frames, in order.
        context: how many of them, from the first on, belong to the clip before as well. They are
            there to be seen, not to be counted again: their masks are stored as ignored.
    """

    frames: tuple[Frame, ...]
    context: int = 0

    @property
    def is_labeled(self) -> bool:
        """Whether a frame that the clip counts has a mask."""
        return any(frame.mask is not None for frame in self.frames[self.context :])


@dataclasses.dataclass(frozen=True)
class Cutting:
    """How the frames of a split become clips.

    Attributes:
        length: frames of a clip; None keeps each run of frames whole.
        overlapping: a clip starts at every frame; otherwise every frame is counted in one clip.
    """

    length: int | None
    overlapping: bool


def split_name(stem: str) -> tuple[str, int] | None:
    """Sequence and frame number in the name of a file, None if it ends in no number."""
    match = _NAME.fullmatch(stem)
    return (match["sequence"], int(match["number"])) if match else None


def in_order(frames: Iterable[Frame], problems: Problems) -> dict[str, list[Frame]]:
    """Frames by sequence, each in order of frame number; sequences in order of appearance.

    Args:
        frames: frames of a split, in any order.
        problems: takes frames whose number another frame of the sequence has.
    """
    sequences: dict[str, list[Frame]] = {}
    for frame in frames:
        sequences.setdefault(frame.sequence, []).append(frame)
    for sequence in sequences.values():
        sequence.sort(key=lambda frame: frame.number)
        for first, second in itertools.pairwise(sequence):
            if first.number == second.number:
                problems.add(
                    second.image, f"frame {second.number} of the sequence is {first.image.name} too"
                )
    return sequences


def check_apart(frames: dict[str, list[Frame]], problems: Problems) -> None:
    """Looks for images that are in two splits, whatever names lead to the file.

    Args:
        frames: frames of every split.
        problems: takes such images.
    """
    found: dict[pathlib.Path, tuple[str, pathlib.Path]] = {}
    for split, of_split in frames.items():
        for frame in of_split:
            first, image = found.setdefault(frame.image.resolve(), (split, frame.image))
            if first != split:
                under = "" if image == frame.image else f", under the name {image}"
                problems.add(frame.image, f"is in split {split}, and in {first} too{under}")
                problems.advise("no frame may be in two splits: correct what divides them")


def runs(sequence: list[Frame]) -> list[list[Frame]]:
    """Cuts a sequence where frames are missing.

    Args:
        sequence: frames in order.

    Returns:
        Parts in which no step between frame numbers is larger than twice the usual one, which is
        the median (of an even number of steps the lower one of the two in the middle).
    """
    if len(sequence) < 2:
        return [sequence] if sequence else []
    steps = [second.number - first.number for first, second in itertools.pairwise(sequence)]
    longest = GAP * statistics.median_low(steps)
    starts = [0, *(i + 1 for i, step in enumerate(steps) if step > longest)]
    return [sequence[a:b] for a, b in zip(starts, [*starts[1:], len(sequence)])]


def clips(run: list[Frame], cutting: Cutting) -> list[Clip]:
    """Clips of one run; none if it is shorter than a clip.

    Without overlap the last clip reaches back if frames are left over, so that it is as long as
    the others; what the clip before has counted is its context.
    """
    length = cutting.length or len(run)
    last = len(run) - length
    if last < 0:
        return []
    if cutting.overlapping:
        return [Clip(tuple(run[i : i + length])) for i in range(last + 1)]
    made = [Clip(tuple(run[i : i + length])) for i in range(0, last + 1, length)]
    left_over = len(run) % length
    if left_over:
        made.append(Clip(tuple(run[last:]), context=length - left_over))
    return made
