"""Videos as batches: in which order, in which process, and padded to one size."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import grain
import numpy as np

from rsf_jax.config.config import Config
from rsf_jax.data.augmentation import augment
from rsf_jax.data.batch import Batch, check_labels, pad_batch, stack
from rsf_jax.data.chunks import Chunks
from rsf_jax.data.dataset import Dataset
from rsf_jax.errors import InputError
from rsf_jax.parallel.processes import ALONE, Processes


def updates_per_epoch(dataset: Dataset, config: Config) -> int:
    """Returns the number of batches that hold every training video once.

    Raises:
        InputError: if there are too few videos for a whole batch; streams may show one video twice.
    """
    videos, size = len(dataset.train), config.batch_size
    if videos < size and not config.chunk_frames:
        raise InputError(
            f"config.batch_size is {size}: there are {videos} training videos, and a batch has "
            "none of them twice; lower it"
        )
    return max(1, videos // size if _drops_remainder(config) else -(-videos // size))


def training_batches(
    dataset: Dataset, config: Config, first_update: int, processes: Processes = ALONE
) -> Iterator[Batch]:
    """Yields training batches without end, from a given update on.

    The batch of an update is a function of the seed and the update's number alone, whatever ran
    before: a resumed run goes on exactly where it stopped. Every epoch has its own order and its
    own flips, the same for all frames of a video. The last batch of an epoch is padded with videos
    of zero weight; where statistics are those of the batch, padding would change them, and the
    remainder is left out instead.

    Args:
        dataset: an open dataset.
        config: uses `seed`, `batch_size`, `norm_statistics` and the settings of augmentation.
        first_update: number of the first batch, counted from 0 over all epochs.
        processes: of several, each reads and yields its own part of every batch, as many videos as
            the others; together they are the batch that one process alone would have.
    """
    batches: _Batches | Chunks
    if config.chunk_frames:
        batches = Chunks(dataset.train, config, processes)
    else:
        batches = _of_videos(dataset, config, processes)
    reading = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    source = grain.MapDataset.source(batches)[first_update:]
    for batch in source.to_iter_dataset(reading):
        yield pad_batch(batch, batches.size)


def _of_videos(dataset: Dataset, config: Config, processes: Processes) -> "_Batches":
    videos = dataset.train.seed(config.seed).shuffle()
    if config.augment:
        videos = videos.random_map(partial(augment, config=config))
    return _Batches(videos, config.batch_size, updates_per_epoch(dataset, config), processes)


def evaluation_batches(
    videos: grain.MapDataset, batch_size: int, classes: int | None = None
) -> Iterator[Batch]:
    """Yields every video once, in order; the last batch may be smaller.

    Args:
        videos: the split.
        batch_size: videos of a batch.
        classes: of the model that is scored; None if none is.

    Raises:
        InputError: if masks have a class that the model has not.
    """
    batches = videos.batch(batch_size, batch_fn=stack)
    reading = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
    for batch in batches.to_iter_dataset(reading):
        if classes is not None:
            check_labels(batch, classes)
        yield batch


class _Batches:
    """Random access to the part of one process of the batch of every update.

    Attributes:
        size: videos of a part; fewer if the batch has not so many.
    """

    def __init__(
        self, videos: grain.MapDataset, batch_size: int, per_epoch: int, processes: Processes
    ) -> None:
        self._videos, self._batch_size, self._per_epoch = videos, batch_size, per_epoch
        self.size = -(-batch_size // processes.count)
        self._first = processes.index * self.size

    def __len__(self) -> int:
        return np.iinfo(np.int32).max  # no run ends it

    def __getitem__(self, update: Any) -> Batch:
        epoch, number = divmod(int(update), self._per_epoch)
        begin, total = number * self._batch_size, len(self._videos)
        start = begin + self._first
        rows = range(start, min(start + self.size, begin + self._batch_size, total))
        # An index beyond the last video is one of a later epoch, in that epoch's order.
        offset = epoch * total
        if rows:
            return stack([self._videos[offset + row] for row in rows])
        filler = stack([self._videos[offset]])
        return Batch(filler.frames, filler.masks, np.zeros(1, np.float32))


def _drops_remainder(config: Config) -> bool:
    return config.normalizes_over_batch
