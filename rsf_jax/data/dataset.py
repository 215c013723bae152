"""Built datasets as videos, by split.

TFDS reads and writes the files, grain gives random access; neither imports TensorFlow here. What
is read of a dataset, and may be left out, is in docs/dataset-contract.md: change both together.
"""

import dataclasses
from pathlib import Path
from typing import Any

import grain
import numpy as np
import tensorflow_datasets as tfds

from rsf_jax.arguments import whole
from rsf_jax.config.config import ARRAYS, OF_THE_DATASET, Config, checked_config
from rsf_jax.data.arrays import (
    as_split,
    checked_colors,
    checked_names,
    count_classes,
    identity_of,
    read_splits,
)
from rsf_jax.data.augmentation import Example
from rsf_jax.data.building import REBUILD, find_or_build
from rsf_jax.data.division import Clip, Division, divide
from rsf_jax.data.identity import Identity, identity
from rsf_jax.data.masks import settled_masks
from rsf_jax.data.streams import EVENTS
from rsf_jax.errors import InputError
from rsf_jax.measures.foreground import BINARY
from rsf_jax.measures.losses import IGNORED
from rsf_jax.measures.segmentation import balanced_weights
from rsf_jax.shown import short

_LEAST = -(2**31)  # of numbers that masks have for unlabeled pixels


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The videos of one dataset, by split.

    A video is a dict of `frames` uint8 [T, H, W, C] and `masks` uint8 [T, H, W]. One of a dataset
    of streams has `events` uint8 [T] too, what happens at each frame (`streams.EVENTS`). It may
    have `event` uint8 [T], a finer account of that (`event_names`), and `distance` int32 [T], the
    pixels that news has to travel in a frame.

    Attributes:
        train: training videos, random access.
        validation: videos kept out of training, for choosing a checkpoint.
        test: test videos.
        calibration: videos for choosing a policy with a guarantee, which nothing else has
            touched; None if the dataset has none.
        frame_shape: (height, width) in pixels.
        class_names: what classes are called; None if the dataset does not say.
        colors: uint8 [K, 3], of the classes in pictures; None if the dataset does not say.
        background: class that pictures leave clear; None for none.
        identity: of the data; None if it is not known.
        event_names: what values of `event` are called; None if videos have none.
        name: TFDS name of the dataset, with its config; `config.ARRAYS` if it has none.
    """

    train: grain.MapDataset
    validation: grain.MapDataset
    test: grain.MapDataset
    calibration: grain.MapDataset | None
    frame_shape: tuple[int, int]
    class_names: list[str] | None = None
    colors: np.ndarray | None = None
    background: int | None = 0
    identity: Identity | None = None
    event_names: list[str] | None = None
    name: str = ARRAYS

    def __repr__(self) -> str:
        """Returns a line: how many videos of which size and classes."""
        splits = ("train", "validation", "calibration", "test")
        counts = [f"{len(x)} {name}" for name in splits if (x := getattr(self, name)) is not None]
        height, width = self.frame_shape
        classes = "classes without names" if self.class_names is None else _listed(self.class_names)
        return f"<Dataset {', '.join(counts)} videos of {height}x{width} pixels, {classes}>"

    @classmethod
    def from_arrays(
        cls,
        frames: Any,
        masks: Any,
        *,
        test: tuple[Any, Any],
        validation: tuple[Any, Any] | float = 0.1,
        calibration: tuple[Any, Any] | None = None,
        class_names: list[str] | None = None,
        colors: Any = None,
        background: int | None = 0,
        ignored: int | None = None,
    ) -> "Dataset":
        """Returns a dataset of videos that are arrays in memory.

            dataset = rsf.Dataset.from_arrays(frames, masks, test=(test_frames, test_masks))
            config = rsf.get_config("own_s3f1").replace(updates=500)
            experiment.run(config, "runs/mine", dataset)

        Args:
            frames: of the training videos: uint8 in 0..255 or float in 0..1, [V, T, H, W, C].
            masks: likewise: integers [V, T, H, W], the class of every pixel; 255 where it is not
                known. With two classes and masks that hold 0 and 255 alone, 255 is class 1.
            test: frames and masks of the test videos.
            validation: likewise of the validation videos; or the share of the training videos that
                is taken for it.
            calibration: likewise of the calibration videos, if there are any.
            class_names: what classes are called; their numbers unless given.
            colors: uint8 [K, 3], of the classes in pictures; as different as can be unless given.
            background: class that pictures leave clear; None for none.
            ignored: value in masks of pixels whose class is not known, such as -1; 255 unless
                given. Given, 255 is never class 1.

        Raises:
            InputError: if arrays or names are none, shapes do not fit each other, a value is out of
                range, or nothing is left to train on; if it cannot be told what 255 is, nothing is
                labeled in a split, or one of two classes is in no mask.
        """
        if ignored is not None:
            ignored = whole("ignored", ignored, _LEAST)
        splits = read_splits((frames, masks), validation, test, calibration, ignored)
        names = checked_names(class_names, count_classes(splits.values()))
        background = _checked_background(background, len(names))
        splits = settled_masks(splits, names, ignored is not None)
        found = {name: as_split(videos) for name, videos in splits.items()}
        return cls(
            **{"calibration": None} | found,
            frame_shape=splits["train"][0]["frames"].shape[1:3],
            class_names=names,
            colors=None if colors is None else checked_colors(colors, len(names)),
            background=background,
            identity=identity_of(splits),
        )

    def settle(self, config: Config) -> Config:
        """Returns a configuration whose data are those of this dataset.

        Its classes and channels are numbers: where 0, the dataset's.

        Raises:
            InputError: if those of the configuration are others than the dataset's, or arrays are
                to be shrunk.
        """
        if self.name == ARRAYS and config.shrink != 1:
            raise InputError(
                f"config.shrink is {config.shrink}: arrays are taken as they are, give smaller ones"
            )
        channels = self.train[0]["frames"].shape[-1]
        classes = len(self.class_names) if self.class_names else config.classes
        for name, here in (("classes", classes), ("input_channels", channels)):
            if getattr(config, name) not in (0, here):
                raise InputError(
                    f"config.{name} is {getattr(config, name)}, the dataset has {here}: use "
                    f"config.{name}={here}"
                )
        return config.replace(dataset=self.name, classes=classes, input_channels=channels)


def _checked_background(background: Any, classes: int) -> int | None:
    if background is None:
        return None
    try:
        background = whole("background", background, 0)
    except InputError:
        background = repr(background)
    if background not in range(classes):
        raise InputError(
            f"background is {background}: give a class from 0 to {classes - 1}, or None"
        )
    return background


def check_dataset(dataset: Any, config: Config | None = None) -> None:
    """Checks what a model is to be trained or scored on.

    Args:
        dataset: what was given.
        config: of a trained model; None for one whose classes the dataset decides.

    Raises:
        InputError: if it is no open dataset, or one of other classes or channels than the model's.
    """
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"dataset is {short(dataset)}: an open one is needed, as rsf.Dataset.from_arrays "
            "and rsf_jax.data.open_dataset return"
        )
    if config is None:
        return
    names, channels = dataset.class_names, dataset.test[0]["frames"].shape[-1]
    if names and len(names) != config.classes:
        raise InputError(
            f"the dataset has {_listed(names)}, the model {config.classes}: it cannot be scored on "
            "them"
        )
    if channels != config.input_channels:
        raise InputError(
            f"the dataset has frames of {channels} channels, the model of {config.input_channels}: "
            "it cannot be scored on them"
        )


def _listed(names: list[str]) -> str:
    return f"{len(names)} classes ({short(', '.join(names))[1:-1]})"


def settle(config: Config) -> Config:
    """Returns a configuration whose classes and channels are numbers: where 0, the dataset's.

    Opens the dataset for that, building it first if it is missing.

    Raises:
        InputError: as `open_dataset`; or if the dataset does not say what its classes are.
    """
    if all(getattr(config, name) for name in OF_THE_DATASET):
        return config
    info = find_or_build(config).info
    names = dict(info.metadata or {}).get("class_names")
    return config.replace(
        classes=config.classes or _count(names, config),
        input_channels=config.input_channels or info.features["frames"].shape[-1],
    )


def _count(names: list[str] | None, config: Config) -> int:
    if names is None:
        raise InputError(
            f"dataset {config.dataset} does not say what its classes are: give config.classes"
        )
    if len(names) < BINARY:
        raise InputError(
            f"dataset {config.dataset} has {len(names)} class ({', '.join(names)}): at least 2 are "
            "needed, one of which may be the background"
        )
    return len(names)


def open_dataset(config: Config) -> Dataset:
    """Opens the configured dataset, building it first if it is missing.

    Args:
        config: uses what is said of data in it, `classes` and `input_channels`. Validation videos
            are the split of that name, if there is one, or a share of the training split: whole
            sequences, if its videos are clips of such, see `division.divide`.

    Raises:
        InputError: if there is no such dataset, or its files are missing or damaged.
    """
    config = settle(checked_config(config))
    builder = find_or_build(config)
    metadata = dict(builder.info.metadata or {})
    names = metadata.get("class_names")
    if names is not None and _count(names, config) != config.classes:
        raise InputError(
            f"dataset {config.dataset} has {len(names)} classes ({', '.join(names)}): use "
            f"config.classes={len(names)}"
        )
    training = Videos(builder, "train", config)
    has_validation = "validation" in builder.info.splits
    validation = 0 if has_validation else _of_share(config.validation_share, training)
    parts = _divide(training, validation, config)
    return Dataset(
        train=_subset(training, parts.train),
        validation=_split(builder, "validation", config)
        if has_validation
        else _subset(training, parts.validation),
        test=_split(builder, "test", config),
        calibration=_calibration(builder, config, training, parts.calibration),
        frame_shape=training.frame_shape,
        class_names=names,
        colors=np.array(metadata["colors"], np.uint8) if "colors" in metadata else None,
        background=metadata.get("background", 0),
        identity=identity(builder),
        event_names=metadata.get("event_names"),
        name=config.dataset,
    )


def _divide(training: "Videos", validation: int, config: Config) -> Division:
    """Divides the training split; `validation` of its videos are wanted for validation.

    Raises:
        InputError: if nothing would be left for a part.
    """
    calibration = _of_share(config.calibration_share, training)
    videos = (training.clips() if validation + calibration else None) or len(training)
    parts = divide(videos, validation, calibration)
    wanted = {"train": True, "validation": validation > 0, "calibration": calibration > 0}
    if validation + calibration >= len(training) or any(
        wanted[name] and not len(part) for name, part in vars(parts).items()
    ):
        raise InputError(
            f"config.validation_share is {config.validation_share} and config.calibration_share "
            f"{config.calibration_share}: of {len(training)} training videos none would be left to "
            "train on; lower them or give more videos (no two parts share a frame)"
        )
    return parts


def _of_share(share: float, videos: "Videos") -> int:
    """The number of videos that a share above 0 stands for: one at least."""
    return max(1, round(share * len(videos))) if share else 0


def class_weights(dataset: Dataset, config: Config) -> tuple[float, ...] | None:
    """Returns the weights that `config.class_balance` asks for; None if it is 0."""
    if not config.class_balance:
        return None
    counts = np.zeros(256, np.int64)
    for video in dataset.train:
        counts += np.bincount(video["masks"].ravel(), minlength=256)
    return tuple(balanced_weights(counts[: config.classes], config.class_balance).tolist())


def first_videos(videos: grain.MapDataset, count: int) -> grain.MapDataset:
    """Returns the first videos of a split; all of them for 0.

    Raises:
        InputError: if there are not so many, or the number is none.
    """
    count = whole("videos", count, 0)
    if count > len(videos):
        raise InputError(f"{count} videos are asked for: the split has {len(videos)}")
    return videos[:count] if count else videos


# What streams may have beside frames and masks: a value for every frame.
_OF_FRAMES = ("events", "event", "distance")


class Videos:
    """Random access to the frames, masks and events of one split, with clear errors.

    Raises:
        InputError: on opening, if the split or a file of it is missing; on reading, if a file is
            damaged or an example is not a video with its masks.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str, config: Config) -> None:
        self._builder, self._split = builder, split
        self._folder, self._config = Path(builder.data_dir), config
        _, height, width, channels = builder.info.features["frames"].shape
        if channels != config.input_channels:
            raise InputError(
                f"dataset {config.dataset} has frames of {channels} channels, "
                f"config.input_channels is {config.input_channels}: use "
                f"config.input_channels={channels}"
            )
        self.frame_shape = (height // config.shrink, width // config.shrink)
        if min(self.frame_shape) < 1:
            raise InputError(f"config.shrink is {config.shrink}: no pixel is left; lower it")
        _check_kind(builder, config.dataset)
        if split not in builder.info.splits:
            raise InputError(f"dataset {self._folder} has no split {split!r}: {REBUILD}")
        missing = [f for f in map(Path, builder.info.splits[split].filepaths) if not f.exists()]
        if missing:
            raise InputError(
                f"dataset {self._folder} lacks {len(missing)} file(s), such as "
                f"{missing[0].name}: {REBUILD}"
            )
        try:
            self._source = builder.as_data_source(split)
            length = len(self._source)
        except Exception as error:
            raise InputError(self._damaged(split)) from error
        if length != builder.info.splits[split].num_examples or length == 0:
            raise InputError(self._damaged(split))

    def __len__(self) -> int:
        return len(self._source)

    def clips(self) -> list[Clip]:
        """Which frames of which sequence each video is; nothing if the dataset does not say."""
        names = ("sequence", "frame_numbers")
        if not set(names) <= set(self._builder.info.features.keys()):
            return []
        pixels = {name: tfds.decode.SkipDecoding() for name in ("frames", "masks")}
        try:
            source = self._builder.as_data_source(self._split, decoders=pixels)
            found = [source[index] for index in range(len(source))]
        except Exception as error:
            raise InputError(self._damaged(self._split)) from error
        return [Clip(e["sequence"], tuple(map(int, e["frame_numbers"]))) for e in found]

    def __getitem__(self, index: Any) -> Example:
        try:
            example = self._source[int(index)]
            frames, masks = example["frames"], example["masks"]
        except Exception as error:
            raise InputError(self._damaged(f"{self._split} video {index}")) from error
        unknown = (masks >= self._config.classes) & (masks != IGNORED)
        if unknown.any():
            raise InputError(
                f"dataset {self._folder} has class {masks[unknown].max()} in {self._split} video "
                f"{index}, config.classes is {self._config.classes}: raise it; or the file is "
                f"damaged. {REBUILD}"
            )
        of_frames = {name: example[name] for name in _OF_FRAMES if name in example}
        if frames.shape[:-1] != masks.shape or not _fit(of_frames, len(frames)):
            raise InputError(self._damaged(f"{self._split} video {index}"))
        return _shrink(frames, masks, self._config.shrink) | of_frames

    def _damaged(self, what: str) -> str:
        return f"dataset {self._folder} is damaged: cannot read {what}. {REBUILD}"


def _check_kind(builder: tfds.core.DatasetBuilder, name: str) -> None:
    """Checks that videos are of one length, in files with random access."""
    if None in builder.info.features["frames"].shape:
        raise InputError(
            f"dataset {name} has videos of different lengths, which do not fit in a batch: use one "
            "with clips of one length, as camvid/pairs, clips4 and clips8 are"
        )
    file_format = builder.info.file_format
    if file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        raise InputError(
            f"dataset {builder.data_dir} is of the file format {file_format.value}, which has no "
            "random access: build it in the format array_record"
        )


def _fit(of_frames: dict[str, np.ndarray], length: int) -> bool:
    """Whether there is a value for every frame, and every event is one."""
    events = of_frames.get("events", np.zeros(0))
    sizes = {np.shape(values) for values in of_frames.values()}
    return sizes <= {(length,)} and bool((events < len(EVENTS)).all())


def _shrink(frames: np.ndarray, masks: np.ndarray, factor: int) -> Example:
    """Means of blocks of pixels, and the class in their middle."""
    if factor == 1:
        return {"frames": frames, "masks": masks}
    rows, columns = (n // factor for n in masks.shape[1:])
    frames = frames[:, : rows * factor, : columns * factor]
    blocks = frames.reshape(len(frames), rows, factor, columns, factor, -1)
    middle = factor // 2
    return {
        "frames": np.rint(blocks.mean((2, 4))).astype(np.uint8),
        "masks": masks[:, middle::factor, middle::factor][:, :rows, :columns],
    }


def _calibration(
    builder: tfds.core.DatasetBuilder, config: Config, training: Videos, kept: np.ndarray
) -> grain.MapDataset | None:
    """The split of that name, or what is kept of the training split, if anything."""
    if len(kept):
        return _subset(training, kept)
    if "calibration" not in builder.info.splits:
        return None
    return _split(builder, "calibration", config)


def _split(builder: tfds.core.DatasetBuilder, name: str, config: Config) -> grain.MapDataset:
    return grain.MapDataset.source(Videos(builder, name, config))


def _subset(videos: Videos, indices: np.ndarray) -> grain.MapDataset:
    return grain.MapDataset.source(_Selected(videos, np.sort(indices)))


class _Selected:
    def __init__(self, videos: Videos, indices: np.ndarray) -> None:
        self._videos, self._indices = videos, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: Any) -> Example:
        return self._videos[self._indices[index]]
