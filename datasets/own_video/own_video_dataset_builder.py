"""TFDS builder of one's own videos. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

import pathlib
from typing import ClassVar

import tensorflow_datasets as tfds
from frame_folders.building import Contents, FolderBuilder
from frame_folders.images import Reading, read_picture
from frame_folders.masks import MaskReader
from frame_folders.problems import Problems
from frame_folders.sequences import Cutting

from own_video.files import divide, find_sequences, splits_by_folder
from own_video.settings import read_settings


class Builder(FolderBuilder):
    """Videos of one's own, with a mask of class indices for every frame."""

    VERSION = tfds.core.Version("1.2.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.2.0": "Palettes with a transparency chunk are read as others, sequences told apart by "
        "folders, and no frame is in two splits.",
        "1.1.0": "Keeps what it was made of, and the pixels of every class.",
        "1.0.0": "First release.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "--manual_dir must be a folder with dataset.yaml, and with {sequence}/0001.png beside "
        "{sequence}_mask/0001.png, or a list frames.txt. See datasets/own_video/README.md."
    )
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(name="default", description="As dataset.yaml says."),
    ]

    def find(self, folder: pathlib.Path, problems: Problems) -> Contents:
        """Frames by the folder's names or list, divided as `dataset.yaml` says."""
        settings = read_settings(folder / "dataset.yaml")
        sequences = find_sequences(folder, problems, sparse=settings.sparse)
        splits = settings.splits or splits_by_folder(folder, sequences, problems)
        frames = divide(sequences, splits)
        cutting = {split: Cutting(settings.clip_length, split == "train") for split in frames}
        reading = Reading(read_picture, MaskReader(settings.index_of), channels=3)
        return Contents(frames, cutting, settings.labels, reading)
