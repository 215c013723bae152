"""Builder of datasets that are read from a folder of frames and masks. No TensorFlow here."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from video_records.building import VideoRecords
from video_records.features import array, frames_and_masks
from video_records.labels import IGNORED

from frame_folders import videos
from frame_folders.binary import leniently, settle
from frame_folders.census import Census, check_counts, in_words
from frame_folders.images import COLOR, Reading, Size, check
from frame_folders.labels import Labels
from frame_folders.problems import Problems
from frame_folders.sequences import Clip, Cutting, Frame, check_apart, clips, in_order, runs
from frame_folders.source import Source, source_of

Example = dict[str, Any]

# TFDS keeps the examples of a file in memory until it is written.
BYTES_PER_FILE = 128 * 2**20


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a folder was found to hold.

    Attributes:
        frames: frames of every split.
        cutting: how the frames of every split become clips.
        labels: classes and their indices in the masks.
        reading: how the files are read.
    """

    frames: dict[str, list[Frame]]
    cutting: dict[str, Cutting]
    labels: Labels
    reading: Reading = COLOR


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be built: everything that is known once all files have been checked.

    Attributes:
        clips: clips of every split.
        labels: classes and their indices in the masks.
        length: frames of a clip, None if that varies.
        size: height and width of all frames.
        left_out: frames of every split that are in runs shorter than a clip.
        reading: how the files are read.
        pixels: of each class in every split.
        notes: what there is to say of it, a line each.
        source: the files that it is made of, as metadata.
    """

    clips: dict[str, list[Clip]]
    labels: Labels
    length: int | None
    size: Size
    left_out: dict[str, int]
    reading: Reading
    pixels: dict[str, dict[str, int]]
    notes: list[str]
    source: dict[str, Any] = dataclasses.field(default_factory=dict)


def make_plan(contents: Contents, problems: Problems) -> Plan:
    """Cuts what was found into clips, after a look into every file.

    Raises:
        ValueError: naming every file that cannot be used or is in two splits, a split in which no
            clip fits or nothing is labeled, or masks whose meaning cannot be told.
    """
    sequences = {split: in_order(frames, problems) for split, frames in contents.frames.items()}
    check_apart(contents.frames, problems)
    census = Census()
    every = _counted(contents.frames, census)
    size = check(every, leniently(contents.labels), contents.reading, problems, census)
    problems.raise_if_any()
    if size is None:
        raise ValueError("the folder that was given holds no frames")
    labels, notes = settle(contents.labels, census, problems)
    problems.raise_if_any()
    made = {
        split: _cut(split, list(by_name.values()), contents.cutting[split])
        for split, by_name in sequences.items()
    }
    used = {s: {f.image for clip in cut for f in clip.frames} for s, cut in made.items()}
    left_out = {s: len(frames) - len(used[s]) for s, frames in contents.frames.items()}
    (length,) = {cutting.length for cutting in contents.cutting.values()}
    pixels = census.by_class(labels)
    notes = [*_found(sequences, made), *in_words(pixels), *notes, *check_counts(pixels)]
    return Plan(made, labels, length, size, left_out, contents.reading, pixels, notes)


def _counted(frames: dict[str, list[Frame]], census: Census) -> Iterator[Frame]:
    """The frames of all splits, one by one."""
    for split, of_split in frames.items():
        census.begin(split)
        yield from of_split


def _found(sequences: dict[str, dict[str, list[Frame]]], made: dict[str, list[Clip]]) -> list[str]:
    """What the splits are made of, in words."""
    lines = []
    for split, by_name in sequences.items():
        frames = list(itertools.chain.from_iterable(by_name.values()))
        bare = sum(frame.mask is None for frame in frames)
        lines.append(
            f"split {split}: {len(by_name)} sequence(s), {len(frames)} frame(s), "
            f"{len(made[split])} clip(s)" + (f", {bare} frame(s) without a mask" if bare else "")
        )
    return lines


def _cut(split: str, sequences: list[list[Frame]], cutting: Cutting) -> list[Clip]:
    """Clips of a split."""
    parts = [run for sequence in sequences for run in runs(sequence)]
    made = [clip for run in parts for clip in clips(run, cutting)]
    count = sum(map(len, sequences))
    if not made:
        raise ValueError(
            f"split {split} has {count} frame(s), but no {cutting.length or 1} in a row: give it "
            "more or take shorter clips"
        )
    labeled = [clip for clip in made if clip.is_labeled]
    if not labeled:
        raise ValueError(
            f"split {split} has {count} frame(s), but no clip of it has a mask: give it masks, or "
            "divide the sequences otherwise"
        )
    return labeled


class FolderBuilder(VideoRecords, tfds.core.ShardBasedBuilder, skip_registration=True):
    """Builder of clips from the frames and masks in `--manual_dir`.

    Size and classes are the folder's: `info.features` is None until it has been read.
    """

    _plan: Plan | None = None

    def find(self, folder: pathlib.Path, problems: Problems) -> Contents:
        """Finds the frames of every split.

        Args:
            folder: the folder that was given.
            problems: takes files that cannot be used; those which are merely damaged or missing
                are found later. Lists and the like are read by it, so that an edit is noticed.
        """
        raise NotImplementedError

    def download_and_prepare(self, *, download_config: Any = None, **kwargs: Any) -> None:
        """Builds the dataset, unless it is there already.

        Raises:
            ValueError: if the one that is there was made of other files than are now in the folder.
        """
        given = download_config.manual_dir if download_config else None
        if given and self.info.initialized:
            made_of = (self.info.metadata or {}).get("source", {})
            if not self.source(pathlib.Path(given)).is_of(made_of):
                raise ValueError(
                    f"{self.data_dir} is there, and was made of other files than {given} holds "
                    "now: delete it, or give another --data_dir"
                )
        super().download_and_prepare(download_config=download_config, **kwargs)

    def source(self, folder: pathlib.Path) -> Source:
        """The files in a folder that the dataset would be made of."""
        problems = Problems(folder)
        return _source(folder, self.find(folder, problems), problems)

    @property
    def info(self) -> tfds.core.DatasetInfo:
        """Description of the dataset; from the moment the folder was read, of what it holds."""
        return super().info if self._plan is None else self._info_of_plan

    @functools.cached_property
    def _info_of_plan(self) -> tfds.core.DatasetInfo:
        info = self._info()
        info.set_file_format(super().info.file_format, override=True)
        return info

    def _info(self) -> tfds.core.DatasetInfo:
        plan, metadata = self._plan, None
        if plan is not None:
            metadata = tfds.core.MetadataDict(
                plan.labels.as_metadata(),
                frames_left_out=plan.left_out,
                pixels=plan.pixels,
                source=plan.source,
            )
        return self.dataset_info_from_configs(
            features=None if plan is None else features(plan),
            supervised_keys=("frames", "masks"),
            disable_shuffling=True,  # clips of a sequence follow each other
            metadata=metadata,
        )

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        """Reads the folder before TFDS asks what the features are."""
        folder = _manual_folder(dl_manager)
        problems = Problems(folder)
        contents = self.find(folder, problems)
        plan = make_plan(contents, problems)
        source = _source(folder, contents, problems)
        self._plan = dataclasses.replace(plan, source=source.as_metadata())
        print("\n".join(self._plan.notes), flush=True)
        super()._download_and_prepare(dl_manager, download_config)

    def _shard_iterators_per_split(
        self, dl_manager: Any
    ) -> dict[str, list[Callable[[], Iterator[tuple[int, Example]]]]]:
        del dl_manager  # the folder has been read
        plan = self._plan
        return {split: _files(made, plan) for split, made in plan.clips.items()}


def features(plan: Plan) -> tfds.features.FeaturesDict:
    """Features of a clip. Only kinds that TFDS decodes without TensorFlow."""
    return tfds.features.FeaturesDict(
        {
            **frames_and_masks(plan.length, plan.size, plan.reading.channels),
            "sequence": tfds.features.Text(),
            "frame_numbers": array((plan.length,), np.int64, "bytes"),
        }
    )


def example(clip: Clip, labels: Labels, image: Callable, mask: Callable) -> Example:
    """A clip with its pixels.

    Args:
        clip: what to read.
        labels: classes and their indices in the masks.
        image: reads an image as uint8 [H, W, C].
        mask: reads class indices as uint8 [H, W].

    Returns:
        `frames` uint8 [T, H, W, C], `masks` uint8 [T, H, W] (classes, 255 where there is none),
        `sequence` str, `frame_numbers` int64 [T].
    """
    frames = np.stack([image(frame.image) for frame in clip.frames])
    nothing = np.full(frames.shape[1:3], labels.ignored, np.uint8)
    read = [nothing if f.mask is None else mask(f.mask) for f in clip.frames]
    masks = labels.stored(np.stack(read))
    masks[: clip.context] = IGNORED
    return {
        "frames": frames,
        "masks": masks,
        "sequence": clip.frames[0].sequence,
        "frame_numbers": np.array([frame.number for frame in clip.frames], np.int64),
    }


def _files(made: list[Clip], plan: Plan) -> list[Callable[[], Iterator[tuple[int, Example]]]]:
    """Clips of a split, file by file."""
    height, width = plan.size
    longest = max(len(clip.frames) for clip in made)
    per_file = max(1, BYTES_PER_FILE // (longest * height * width * 4))
    return [
        functools.partial(_examples, made, range(i, min(i + per_file, len(made))), plan)
        for i in range(0, len(made), per_file)
    ]


def _examples(made: list[Clip], indices: range, plan: Plan) -> Iterator[tuple[int, Example]]:
    """Yields (index, clip), in order."""
    # Clips overlap: each file is decoded once, not once a clip.
    recent = max(len(made[index].frames) for index in indices)
    image = functools.lru_cache(recent)(plan.reading.image)
    mask = functools.lru_cache(recent)(plan.reading.mask)
    for index in indices:
        yield index, example(made[index], plan.labels, image, mask)


def _source(folder: pathlib.Path, contents: Contents, problems: Problems) -> Source:
    frames = itertools.chain.from_iterable(contents.frames.values())
    used = {path for f in frames for path in (f.image, f.mask) if path is not None}
    return source_of(folder, {videos.file_of(path) for path in used} | problems.read)


def _manual_folder(dl_manager: Any) -> pathlib.Path:
    try:
        return pathlib.Path(dl_manager.manual_dir)
    except AssertionError as error:  # TFDS: missing or empty, and what belongs there
        raise ValueError(" ".join(str(error).split())) from None
