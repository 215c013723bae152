"""Built datasets as batches of videos.

TFDS reads and writes the files, grain orders them; neither imports TensorFlow here.
"""

import dataclasses
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.training.step import Batch

Example = dict[str, Any]

# The division into training and validation videos is the same for every run and seed.
_DIVISION_SEED = 0


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The videos of one dataset, by split.

    Attributes:
        train: training videos, random access.
        validation: videos kept out of training, for choosing a checkpoint.
        test: test videos.
        calibration: videos for choosing a policy with a guarantee, which nothing else has
            touched; None if the dataset has none.
        frame_shape: (height, width) in pixels.
    """

    train: grain.MapDataset
    validation: grain.MapDataset
    test: grain.MapDataset
    calibration: grain.MapDataset | None
    frame_shape: tuple[int, int]


def open_dataset(config: Config) -> Dataset:
    """Opens the configured dataset, building it first if it is missing.

    Args:
        config: uses `dataset`, `data_dir`, `classes` and the shares kept out of training.

    Raises:
        InputError: if there is no such dataset, or its files are missing or damaged.
    """
    builder = _find_or_build(config.dataset, config.data_dir)
    training = Videos(builder, "train", config.classes)
    division = np.random.default_rng(_DIVISION_SEED).permutation(len(training))
    validation = max(1, round(config.validation_share * len(training)))
    kept = validation + round(config.calibration_share * len(training))
    if kept >= len(training):
        raise InputError(
            f"config.validation_share is {config.validation_share} and config.calibration_share "
            f"{config.calibration_share}: of {len(training)} training videos none would be left to "
            "train on; lower them"
        )
    _, height, width, _ = builder.info.features["frames"].shape
    return Dataset(
        train=_subset(training, division[kept:]),
        validation=_subset(training, division[:validation]),
        test=grain.MapDataset.source(Videos(builder, "test", config.classes)),
        calibration=_calibration(builder, config, training, division[validation:kept]),
        frame_shape=(height, width),
    )


def updates_per_epoch(dataset: Dataset, config: Config) -> int:
    """Returns the number of batches that hold every training video once."""
    videos, size = len(dataset.train), config.batch_size
    return videos // size if _drops_remainder(config) else -(-videos // size)


def training_batches(dataset: Dataset, config: Config, first_update: int) -> Iterator[Batch]:
    """Yields training batches without end, from a given update on.

    The batch of an update is a function of the seed and the update's number alone, whatever ran
    before: a resumed run goes on exactly where it stopped. Every epoch has its own order and its
    own flips, the same for all frames of a video. The last batch of an epoch is padded with videos
    of zero weight; where statistics are those of the batch, padding would change them, and the
    remainder is left out instead.

    Args:
        dataset: an open dataset.
        config: uses `seed`, `batch_size`, `augment` and `norm_statistics`.
        first_update: number of the first batch, counted from 0 over all epochs.
    """
    videos = dataset.train.seed(config.seed).shuffle()
    if config.augment:
        videos = videos.random_map(_flip)
    batches = videos.batch(
        config.batch_size, drop_remainder=_drops_remainder(config), batch_fn=_stack
    )
    reading = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    for batch in batches.repeat()[first_update:].to_iter_dataset(reading):
        yield pad_batch(batch, config.batch_size)


def evaluation_batches(videos: grain.MapDataset, batch_size: int) -> Iterator[Batch]:
    """Yields every video once, in order; the last batch may be smaller."""
    batches = videos.batch(batch_size, batch_fn=_stack)
    yield from batches.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))


def first_videos(videos: grain.MapDataset, count: int) -> grain.MapDataset:
    """Returns the first videos of a split; all of them for 0.

    Raises:
        InputError: if there are not so many.
    """
    if count > len(videos):
        raise InputError(f"{count} videos are asked for: the split has {len(videos)}")
    return videos[:count] if count else videos


def pad_batch(batch: Batch, size: int) -> Batch:
    """Appends black videos of zero weight up to `size` videos."""
    missing = size - len(batch.weights)
    if missing == 0:
        return batch

    def pad(x: np.ndarray) -> np.ndarray:
        return np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))

    return Batch(pad(batch.frames), pad(batch.masks), pad(batch.weights))


class Videos:
    """Random access to the frames and masks of one split, with clear errors.

    Raises:
        InputError: on opening, if the split or a file of it is missing; on reading, if a file is
            damaged or an example is not a video with its masks.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str, classes: int) -> None:
        self._folder, self._classes = Path(builder.data_dir), classes
        if split not in builder.info.splits:
            raise InputError(f"dataset {self._folder} has no split {split!r}: {_REBUILD}")
        missing = [f for f in map(Path, builder.info.splits[split].filepaths) if not f.exists()]
        if missing:
            raise InputError(
                f"dataset {self._folder} lacks {len(missing)} file(s), such as "
                f"{missing[0].name}: {_REBUILD}"
            )
        try:
            self._source = builder.as_data_source(split)
            length = len(self._source)
        except Exception as error:
            raise InputError(self._damaged(split)) from error
        if length != builder.info.splits[split].num_examples or length == 0:
            raise InputError(self._damaged(split))
        self._split = split

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: Any) -> Example:
        try:
            example = self._source[int(index)]
            frames, masks = example["frames"], example["masks"]
        except Exception as error:
            raise InputError(self._damaged(f"{self._split} video {index}")) from error
        if frames.shape[:-1] != masks.shape or masks.max(initial=0) >= self._classes:
            raise InputError(self._damaged(f"{self._split} video {index}"))
        return {"frames": frames, "masks": masks}

    def _damaged(self, what: str) -> str:
        return f"dataset {self._folder} is damaged: cannot read {what}. {_REBUILD}"


_REBUILD = "Delete the folder; the next run builds it anew"


def _find_or_build(name: str, data_dir: str) -> tfds.core.DatasetBuilder:
    folder = Path(data_dir).expanduser() if data_dir else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"config.data_dir is {data_dir!r}: a folder is needed, this is a file")
    try:
        return read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        return _build(name, folder)
    except Exception as error:  # its description is read by many parsers
        where = folder or "TFDS's data directory"
        raise InputError(f"dataset {name} in {where} is damaged: {error}. {_REBUILD}") from error


def _build(name: str, folder: Path | None) -> tfds.core.DatasetBuilder:
    """Builds `datasets/NAME`, found by path: no package may be called `datasets`."""
    dataset, _, config = name.partition("/")
    root = Path(os.environ.get("RSF_DATASETS", Path(__file__).parents[1] / "datasets"))
    known = sorted(p.parent.name for p in root.glob("*/*_dataset_builder.py"))
    if dataset not in known:
        raise InputError(
            f"config.dataset is {name!r}, which is neither built nor has a builder in {root}: "
            f"choose one of {', '.join(known) or '(none found)'}, or set RSF_DATASETS to the "
            "folder of builders"
        )
    if str(root) not in sys.path:
        sys.path.append(str(root))
    builder_class = importlib.import_module(f"{dataset}.{dataset}_dataset_builder").Builder
    configs = [c.name for c in builder_class.BUILDER_CONFIGS]
    if config not in configs:
        raise InputError(
            f"config.dataset is {name!r}: {dataset} has the configs {', '.join(configs)}; "
            f"write {dataset}/CONFIG"
        )
    builder = builder_class(config=config, data_dir=folder)
    print(f"Building {name} in {builder.data_dir}", flush=True)
    try:
        builder.download_and_prepare()
    except OSError as error:
        raise InputError(f"cannot build {name} in {builder.data_dir}: {error}") from error
    return builder


def _calibration(
    builder: tfds.core.DatasetBuilder, config: Config, training: Videos, kept: np.ndarray
) -> grain.MapDataset | None:
    """The split of that name, or what is kept of the training split, if anything."""
    if len(kept):
        return _subset(training, kept)
    if "calibration" not in builder.info.splits:
        return None
    return grain.MapDataset.source(Videos(builder, "calibration", config.classes))


def _subset(videos: Videos, indices: np.ndarray) -> grain.MapDataset:
    return grain.MapDataset.source(_Selected(videos, np.sort(indices)))


class _Selected:
    def __init__(self, videos: Videos, indices: np.ndarray) -> None:
        self._videos, self._indices = videos, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: Any) -> Example:
        return self._videos[self._indices[index]]


def _flip(video: Example, rng: np.random.Generator) -> Example:
    """One of four flip states, the same for every frame. Source: published code."""
    vertical, horizontal = rng.integers(2, size=2)
    rows, columns = slice(None, None, 1 - 2 * vertical), slice(None, None, 1 - 2 * horizontal)
    return {name: array[:, rows, columns] for name, array in video.items()}


def _stack(videos: Sequence[Example]) -> Batch:
    return Batch(
        np.stack([video["frames"] for video in videos]),
        np.stack([video["masks"] for video in videos]),
        np.ones(len(videos), np.float32),
    )


def _drops_remainder(config: Config) -> bool:
    return config.normalizes_over_batch
