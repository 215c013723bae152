"""Chunks of long streams: which part of which stream every update sees."""

import bisect
import itertools
import threading
from typing import Any, NamedTuple

import grain
import numpy as np

from rsf_jax.config.config import Config
from rsf_jax.data.augmentation import Example, augment
from rsf_jax.data.batch import Batch, stack
from rsf_jax.data.sensor import expose
from rsf_jax.data.streams import gather, long_stream
from rsf_jax.parallel.processes import Processes

# Of random numbers: what is drawn of a stream is drawn apart.
_LENGTH, _CUTS, _VIDEO, _NOISE, _SENSOR, _CUTTING = range(1, 7)


class Position(NamedTuple):
    """Where an update is.

    Attributes:
        group: the group of streams whose turn it is.
        number: of its streams: the group's first ones have 0, the next 1.
        chunk: of these streams, from 0.
        chunks: that these streams have.
    """

    group: int
    number: int
    chunk: int
    chunks: int

    @property
    def begins(self) -> bool:
        """Whether streams begin with it."""
        return self.chunk == 0


class Plan:
    """The order in which groups of streams take turns; a function of the seed alone.

    Streams of a group begin and end together. How long they are is drawn, of `longest` chunks, a
    half, a quarter and so on to one; each length has as many updates in the mean.

    Args:
        seed: of the lengths.
        groups: that take turns.
        longest: chunks of the longest streams, a power of two.
    """

    def __init__(self, seed: int, groups: int, longest: int) -> None:
        self._seed, self._longest = seed, longest
        # The first turn of each of a group's streams, as far as anybody has asked.
        self._begins: list[list[int]] = [[0] for _ in range(groups)]
        self._lock = threading.Lock()  # batches are read by several threads

    def position(self, update: int) -> Position:
        """Returns where an update is, counted from 0."""
        turn, group = divmod(update, len(self._begins))
        with self._lock:
            begins = self._begins[group]
            while begins[-1] <= turn:
                begins.append(begins[-1] + self._length(group, len(begins) - 1))
            number = bisect.bisect_right(begins, turn) - 1
            first, end = begins[number : number + 2]
        return Position(group, number, turn - first, end - first)

    def _length(self, group: int, number: int) -> int:
        rng = np.random.default_rng((self._seed, _LENGTH, group, number))
        lengths = 1 << np.arange(self._longest.bit_length())
        # As many updates for every length: otherwise long streams, in which little happens, have
        # most of them. See docs/decisions/0023-training-on-streams.md.
        return int(rng.choice(lengths, p=(1 / lengths) / (1 / lengths).sum()))


def plan_of(config: Config) -> Plan:
    """Returns the plan of a run that trains on streams."""
    return Plan(config.seed, config.stream_groups, config.stream_frames // config.chunk_frames)


class Chunks:
    """Random access to the part of one process of the batch of every update, on streams.

    A stream is a video of the training split, changed as a whole (`augment`), each of whose frames
    is shown for a random time; its noise is drawn anew for every frame. With `cuts` a share of the
    streams (`cut_streams`) is several such videos, one after the other.

    Attributes:
        size: streams of a part.

    Args:
        videos: of the training split.
        config: uses `seed`, `batch_size`, the settings of streams and those of augmentation.
        processes: of several, each reads its own part of every batch.
    """

    def __init__(self, videos: grain.MapDataset, config: Config, processes: Processes) -> None:
        self._videos, self._config, self._plan = videos, config, plan_of(config)
        self.size = config.batch_size // processes.count
        self._first = processes.index * self.size

    def __len__(self) -> int:
        return np.iinfo(np.int32).max  # no run ends it

    def __getitem__(self, update: Any) -> Batch:
        position = self._plan.position(int(update))
        rows = range(self._first, self._first + self.size)
        return stack([self._chunk(position, row) for row in rows])

    def _chunk(self, position: Position, row: int) -> Example:
        config, size = self._config, self._config.chunk_frames
        key = position.group, position.number, row
        begins = self._begins(key, position.chunks * size)
        first = position.chunk * size
        parts = [
            self._part(key, number, end - begin, first - begin, first + size - begin)
            for number, (begin, end) in enumerate(itertools.pairwise(begins))
            if begin < first + size and end > first
        ]
        part = {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
        if config.noise:
            noise = self._rng(_NOISE, *key).uniform(0, config.noise)
            of_chunk = self._rng(_SENSOR, *key, position.chunk)
            part["frames"] = expose(part["frames"], of_chunk, noise=noise)
        return part

    def _begins(self, key: tuple[int, ...], length: int) -> list[int]:
        """The frames at which a stream's videos begin, and the stream's end."""
        config = self._config
        cutting = self._rng(_CUTTING, *key).random() < config.cut_streams
        drawn = self._rng(_CUTS, *key).random(length) < config.cuts * cutting
        return [0, *(frame for frame in np.flatnonzero(drawn).tolist() if frame), length]

    def _part(
        self, key: tuple[int, ...], number: int, length: int, first: int, end: int
    ) -> Example:
        """Frames `first` to `end`, as far as they are there, of a stream's video of a number."""
        config, rng = self._config, self._rng(_VIDEO, *key, number)
        video = self._videos[int(rng.integers(len(self._videos)))]
        if config.augment:
            video = augment(video, rng, config)
        shown = long_stream(video, length, rng, drop=config.drop)
        return gather(video, shown[max(first, 0) : end])

    def _rng(self, *of: int) -> np.random.Generator:
        return np.random.default_rng((self._config.seed, *of))
