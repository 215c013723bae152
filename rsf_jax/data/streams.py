"""Streams: videos as a live camera shows them, composed on reading from those of any dataset.

`live_stream` joins videos with pauses, bursts and cuts, `long_stream` shows one video for long, and
`still` its last frame for ever. All are pure functions of what they are given.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import grain
import numpy as np

from rsf_jax.arguments import check_number, whole
from rsf_jax.data.augmentation import Example
from rsf_jax.errors import InputError

# What happens at a frame of a stream, by its number in `events`: the stream's first frame, the
# first of another video, another picture of the same video, the same picture again.
EVENTS = ("start", "cut", "change", "pause")
START, CUT, CHANGE, PAUSE = range(len(EVENTS))

# Frames of a long stream are shown for times that are as different as can be: most are over soon,
# one takes a large part of the stream.
_DWELL_POWER, _LEAST_DWELL = 1.5, 0.02


def live_stream(
    videos: Iterable[Example],
    length: int,
    rng: np.random.Generator,
    pause: float = 3.0,
    drop: float = 0.1,
) -> Example:
    """Joins videos to a stream: each frame is shown for a while, and after the last comes a cut.

    Args:
        videos: examples with `frames` [T, H, W, C] and `masks` [T, H, W], of one size, in the order
            in which they are shown; as many are taken as are needed.
        length: frames of the stream.
        rng: of this stream.
        pause: frames for which a frame is shown, mean of a geometric distribution, 1 or more.
        drop: chance that a frame is left out, a burst; the first of a video never is.

    Returns:
        `frames` and `masks` as those of the videos, of `length` frames, and `events` uint8
        [length], see `EVENTS`. Where a video itself stands still, that is a pause too.

    Raises:
        InputError: if the videos end too early, or are streams themselves.
    """
    length = whole("length", length)
    _check(pause, drop)
    parts: list[Example] = []
    missing = length
    for video in videos:
        _check_composable(video)
        index = _dwell(len(video["frames"]), rng, pause, drop)[:missing]
        parts.append(_part(video, index, CUT if parts else START))
        missing -= len(index)
        if not missing:
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    raise InputError(f"length is {length}: the videos end {missing} frames before; give more")


def live_streams(
    videos: grain.MapDataset,
    count: int,
    length: int,
    seed: int,
    pause: float = 3.0,
    drop: float = 0.1,
) -> grain.MapDataset:
    """Returns live streams of the videos of a split, each composed when it is read.

    A stream shows the videos in an order of its own, every one before any comes again. It is a
    function of the seed and its number alone.

    Args:
        videos: a split of any dataset. One of streams is not composed again: its first `count`
            streams are returned, of each the first `length` frames.
        count: number of streams.
        length: frames of each.
        seed: of all of them, 0 or above.
        pause: see `live_stream`.
        drop: likewise.

    Raises:
        InputError: if a value is not possible, or a split of streams has too few or too short ones.
    """
    count, length, seed = whole("count", count), whole("length", length), whole("seed", seed, 0)
    _check(pause, drop)
    if "events" in videos[0]:
        return _first_frames(videos, count, length)
    return grain.MapDataset.source(_Streams(videos, count, length, seed, pause, drop))


def streams_apart(
    videos: grain.MapDataset,
    count: int,
    length: int,
    seed: int,
    pause: float = 3.0,
    drop: float = 0.1,
) -> grain.MapDataset:
    """Returns live streams of which no two share a video: they are independent if the videos are.

    Videos are dealt out, to each stream a few more than it needs in the mean. One that needs still
    more shows its own again.

    Args:
        videos: a split of any dataset. One of streams is not composed again, see `live_streams`.
        count: number of streams; 0 for as many as there can be.
        length: frames of each.
        seed: of all of them, 0 or above.
        pause: see `live_stream`.
        drop: likewise.

    Raises:
        InputError: if a value is not possible, or there are too few videos.
    """
    count, length, seed = whole("count", count, 0), whole("length", length), whole("seed", seed, 0)
    _check(pause, drop)
    if "events" in videos[0]:
        return _first_frames(videos, count or len(videos), length)
    frames = len(videos[0]["frames"])
    shown = pause * (1 + (frames - 1) * (1 - drop))  # of one video, mean
    each = math.ceil(length / shown) + 1
    most = len(videos) // each
    if not most or count > most:
        raise InputError(
            f"{count or 1} streams of {length} frames are asked for, each of {each} videos of its "
            f"own: {len(videos)} videos make {most}; ask for fewer or shorter ones"
        )
    order = np.random.default_rng(seed).permutation(len(videos))
    dealt = order[: (count or most) * each].reshape(-1, each)
    return grain.MapDataset.source(_Streams(videos, len(dealt), length, seed, pause, drop, dealt))


def long_stream(
    video: Example, length: int, rng: np.random.Generator, drop: float = 0.0
) -> np.ndarray:
    """Draws for how long each frame of one video is shown in a stream of a given length.

    Times are heavy-tailed. A part of the stream is read without the rest of it:
    `gather(video, long_stream(video, 128, rng)[8:16])`.

    Args:
        video: an example with `frames` [T, H, W, C]. Of one with `events` one stretch without a cut
            is taken, and its pauses are drawn anew.
        length: frames of the stream. Of a video with more frames a run of so many is taken.
        rng: of this stream.
        drop: chance that a frame is left out; the first never is.

    Returns:
        int64 [length], the frame of the video that is shown, ascending.
    """
    length = whole("length", length)
    _check(1.0, drop)
    shown = _pictures(video, rng)
    shown = shown[_kept(len(shown), rng, drop)]
    if len(shown) >= length:
        first = int(rng.integers(len(shown) - length + 1))
        return shown[first : first + length]
    weights = rng.exponential(1.0, len(shown)) ** _DWELL_POWER + _LEAST_DWELL
    again = rng.multinomial(length - len(shown), weights / weights.sum())
    return np.repeat(shown, 1 + again)


def gather(video: Example, index: np.ndarray) -> Example:
    """Returns frames of a video with their masks.

    Args:
        video: an example with `frames` [T, H, W, C] and `masks` [T, H, W].
        index: int [N], which frames, such as a part of what `long_stream` returns.

    Returns:
        `frames` [N, H, W, C] and `masks` [N, H, W].
    """
    return {name: video[name][index] for name in ("frames", "masks")}


def still(video: Example, length: int) -> Example:
    """Returns what a camera sees for which nothing moves any more: a video's last frame.

    Args:
        video: an example with `frames` [T, H, W, C] and `masks` [T, H, W].
        length: frames of the stream.

    Returns:
        `frames`, `masks` and `events` of `length` equal frames.
    """
    last = len(video["frames"]) - 1
    return _part(video, np.full(whole("length", length), last), START)


class _Streams:
    """Random access to live streams of a split's videos; see `live_streams`, `streams_apart`.

    `dealt` is int [streams, videos], which videos each shows; None for all in an order of its own.
    """

    def __init__(
        self,
        videos: grain.MapDataset,
        count: int,
        length: int,
        seed: int,
        pause: float,
        drop: float,
        dealt: np.ndarray | None = None,
    ) -> None:
        self._videos, self._count, self._length = videos, count, length
        self._seed, self._pause, self._drop = seed, pause, drop
        self._dealt = dealt

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Example:
        rng = np.random.default_rng([self._seed, int(index)])
        order = rng.permutation(len(self._videos)) if self._dealt is None else self._dealt[index]
        videos = _in_order(self._videos, order)
        return live_stream(videos, self._length, rng, self._pause, self._drop)


def _in_order(videos: grain.MapDataset, order: np.ndarray) -> Iterator[Example]:
    """Reads videos as they are asked for, without end."""
    for index in itertools.cycle(order.tolist()):
        yield videos[index]


def _first_frames(streams: grain.MapDataset, count: int, length: int) -> grain.MapDataset:
    there = len(streams[0]["frames"])
    if count > len(streams) or length > there:
        raise InputError(
            f"{count} streams of {length} frames are asked for: the dataset has {len(streams)} "
            f"streams of {there} frames, which are not composed again"
        )
    return streams[:count].map(lambda example: {k: v[:length] for k, v in example.items()})


def _dwell(count: int, rng: np.random.Generator, pause: float, drop: float) -> np.ndarray:
    """Which of `count` frames is shown, int64 [length of what is shown]."""
    times = rng.geometric(1 / pause, count)
    return np.repeat(np.arange(count), times * _kept(count, rng, drop))


def _kept(count: int, rng: np.random.Generator, drop: float) -> np.ndarray:
    """Which of `count` frames are not left out, bool [count]."""
    kept = rng.random(count) >= drop
    kept[0] = True
    return kept


def _part(video: Example, index: np.ndarray, begins: int) -> Example:
    """One video of a stream; `begins` is the event of its first frame."""
    part = gather(video, index)
    events = np.full(len(index), begins, np.uint8)
    events[1:] = np.where(_stands(part["frames"]) & _stands(part["masks"]), PAUSE, CHANGE)
    return part | {"events": events}


def _stands(pictures: np.ndarray) -> np.ndarray:
    """Whether each picture but the first is that before, bool [T - 1]."""
    return (pictures[1:] == pictures[:-1]).all(tuple(range(1, pictures.ndim)))


def _pictures(video: Example, rng: np.random.Generator) -> np.ndarray:
    """Frames of a video, or the different ones of a stretch without a cut of a stream."""
    events = video.get("events")
    if events is None:
        return np.arange(len(video["frames"]))
    starts = np.flatnonzero((events == START) | (events == CUT))
    number = int(rng.integers(len(starts)))
    end = starts[number + 1] if number + 1 < len(starts) else len(events)
    stretch = np.arange(starts[number], end)
    return stretch[events[stretch] != PAUSE]


def _check(pause: float, drop: float) -> None:
    needed = "a number of frames of at least 1 is needed"
    check_number("pause", pause, needed, lambda x: 1 <= x < float("inf"))
    check_number("drop", drop, "a probability from 0 to 1 is needed", lambda x: 0 <= x <= 1)


def _check_composable(video: Example) -> None:
    if "events" in video:
        raise InputError("these videos are streams: they are not composed again")
