"""TFDS builder of the authors' T-Pathfinder. Neither building nor reading imports TensorFlow."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import ClassVar

import tensorflow_datasets as tfds
from contours.files import CLASSES, read_frame, read_target
from frame_folders.building import Contents, FolderBuilder
from frame_folders.images import Reading
from frame_folders.labels import Labels
from frame_folders.problems import Problems
from frame_folders.sequences import Cutting

from t_pathfinder_released.files import (
    CONFIG,
    find_videos,
    frames_on_disk,
    frames_per_video,
)

_LABELS = Labels(CLASSES)
_READING = Reading(read_frame, read_target, channels=1)


@dataclasses.dataclass(eq=False)
class ReleasedConfig(tfds.core.BuilderConfig):
    """Builder configuration of one of the released subsets.

    Attributes:
        frames: of a video.
    """

    frames: int = 8


class Builder(FolderBuilder):
    """Temporal Pathfinder as its authors released it."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "Keeps what it was made of, and the pixels of every class.",
        "1.0.0": "First release.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "--manual_dir must be the authors' folder of one subset: dataset_config.json, "
        "train_vid_id_list.txt, test_vid_id_list.txt, imgs/1 and gt/1. "
        "See datasets/t_pathfinder_released/README.md."
    )
    BUILDER_CONFIGS: ClassVar[list[ReleasedConfig]] = [
        ReleasedConfig(name="easy", description="Released videos of 6 frames.", frames=6),
        ReleasedConfig(name="hard", description="Released videos of 8 frames.", frames=8),
    ]

    def find(self, folder: pathlib.Path, problems: Problems) -> Contents:
        """Frames of the videos in the lists of both splits."""
        length, wanted = frames_per_video(folder, problems), self.builder_config.frames
        if length not in (None, wanted):
            problems.add(
                folder / CONFIG,
                f"n_frames is {length}: {self.builder_config.name} has {wanted} frames a video",
            )
        on_disk = frames_on_disk(folder)
        frames = {
            split: find_videos(folder, split, on_disk, wanted, problems)
            for split in ("train", "test")
        }
        whole = dict.fromkeys(frames, Cutting(wanted, overlapping=False))
        return Contents(frames, whole, _LABELS, _READING)
