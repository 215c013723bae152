"""A small dataset of every builder in `datasets/`, for tests that any builder has to pass."""

import dataclasses
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from frame_files import write_camvid, write_frame, write_mask
from PIL import Image
from tensorflow_datasets.core import read_only_builder

DATASETS = Path(__file__).parents[2] / "datasets"
_MOST = 100  # examples of a split, of builders that are not named below


@dataclasses.dataclass(frozen=True)
class Small:
    """What is needed to build one.

    Attributes:
        builder_class: of the dataset.
        config: of the builder, or its name.
        manual: folder of the files that it is made of; None if it is generated.
        trainable: whether videos are all of one length.
    """

    builder_class: type[tfds.core.DatasetBuilder]
    config: Any
    manual: Path | None = None
    trainable: bool = True

    def builder(self, data_dir: Path) -> tfds.core.DatasetBuilder:
        return self.builder_class(config=self.config, data_dir=data_dir)

    def build(self, data_dir: Path) -> tfds.core.DatasetBuilder:
        """Builds it; returns it as it is opened without its code."""
        builder = self.builder(data_dir)
        manual = None if self.manual is None else str(self.manual)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                manual_dir=manual, max_examples_per_split=None if manual else _MOST
            )
        )
        return read_only_builder.builder_from_directory(builder.data_dir)


def builder_class(dataset: str) -> type[tfds.core.DatasetBuilder]:
    return importlib.import_module(f"{dataset}.{dataset}_dataset_builder").Builder


def _generated(dataset: str, name: str) -> Callable[[Path], Small]:
    def small(folder: Path) -> Small:
        module = importlib.import_module(f"{dataset}.{dataset}_dataset_builder")
        subset = importlib.import_module(f"{dataset}.subsets").SUBSETS[name]
        few = dataclasses.replace(
            subset,
            train_videos=6,
            test_videos=3,
            calibration_videos=2,
            validation_videos=min(2, subset.validation_videos),
        )
        return Small(module.Builder, module.SubsetConfig(name=f"small_{name}", subset=few))

    return small


def _camvid(config: str) -> Callable[[Path], Small]:
    frames = {
        split: [f"{s}_{n:04d}" for s in sequences for n in range(0, 90, 10)]
        for split, sequences in (("train", "AB"), ("val", "C"), ("test", "D"))
    }

    def small(folder: Path) -> Small:
        write_camvid(folder, frames)
        trainable = config != "sequences"
        return Small(builder_class("camvid"), config, folder, trainable)

    return small


def _own_video(folder: Path) -> Small:
    folder.mkdir(parents=True)
    (folder / "dataset.yaml").write_text("classes: [ground, person]\nignored: 7\nclip_length: 2")
    for name in "abcd":
        for i in range(4):
            write_frame(folder / name / f"{i}.png", i)
            write_mask(folder / f"{name}_mask" / f"{i}.png", first=(0, 7)[i % 2])
    return Small(builder_class("own_video"), "default", folder)


def _gray(path: Path, *seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (10, 12), np.uint8)).save(path)


def _pathfinder_released(folder: Path, masks: bool = True) -> Small:
    for number in range(20):
        _gray(folder / "imgs" / "1" / f"sample_{number}.png", 0, number)
        if masks:
            _gray(folder / "gt" / "1" / f"sample_{number}.png", 1, number)
    if not masks:
        rows = [f"imgs/1 sample_{n}.png {n} {n % 3 % 2}" for n in range(20)]
        (folder / "metadata").mkdir()
        (folder / "metadata" / "1.npy").write_text("\n".join(rows))
    return Small(builder_class("pathfinder_released"), "default", folder)


def _pathfinder_released_labels(folder: Path) -> Small:
    return _pathfinder_released(folder, masks=False)


def _t_pathfinder_released(folder: Path) -> Small:
    videos = {"train": range(4), "test": range(4, 6)}
    for video in range(6):
        for t in range(6):
            for kind, place in enumerate(("imgs", "gt")):
                _gray(folder / place / "1" / f"{video}_{t}.png", video, t, kind)
    (folder / "dataset_config.json").write_text(json.dumps({"n_frames": 6}))
    for split, of in videos.items():
        (folder / f"{split}_vid_id_list.txt").write_text("\n".join(map(str, of)))
    return Small(builder_class("t_pathfinder_released"), "easy", folder)


_NAMED = {
    "t_pathfinder/quickstart": _generated("t_pathfinder", "quickstart"),
    "t_pathfinder/hard": _generated("t_pathfinder", "hard"),
    "t_pathfinder_live/quickstart_live": _generated("t_pathfinder_live", "quickstart_live"),
    "t_pathfinder_live/hard72_live": _generated("t_pathfinder_live", "hard72_live"),
    "pathfinder/small3": _generated("pathfinder", "small3"),
    "pathfinder/length9": _generated("pathfinder", "length9"),
    "mazes/static7": _generated("mazes", "static7"),
    "mazes/hard12": _generated("mazes", "hard12"),
    "camvid/pairs": _camvid("pairs"),
    "camvid/clips4": _camvid("clips4"),
    "camvid/sequences": _camvid("sequences"),
    "own_video/default": _own_video,
    "pathfinder_released/default": _pathfinder_released,
    "pathfinder_released/labels": _pathfinder_released_labels,
    "t_pathfinder_released/easy": _t_pathfinder_released,
}


def _first_of(dataset: str) -> Callable[[Path], Small]:
    """The first videos of a builder that is not named above: enough for one that takes no files."""

    def small(folder: Path) -> Small:
        found = builder_class(dataset)
        assert not hasattr(found, "source"), (
            f"{dataset} is made of users' files: write a few of them in {Path(__file__).name}"
        )
        return Small(found, next(iter(found.builder_configs)))

    return small


def names() -> list[str]:
    """DATASET/NAME of every small dataset; every folder of `datasets/` with a builder has one."""
    found = sorted(p.parent.name for p in DATASETS.glob("*/*_dataset_builder.py"))
    others = set(found) - {name.partition("/")[0] for name in _NAMED}
    return [*_NAMED, *(f"{dataset}/first" for dataset in sorted(others))]


def small(name: str, folder: Path) -> Small:
    """Makes what is needed for one.

    Args:
        name: of `names()`.
        folder: to write files to that it is made of; is made.
    """
    return (_NAMED.get(name) or _first_of(name.partition("/")[0]))(folder)
