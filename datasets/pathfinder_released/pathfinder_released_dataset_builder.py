"""TFDS builder of released Pathfinder. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

import functools
import pathlib
from typing import ClassVar

import tensorflow_datasets as tfds
from contours.files import CLASSES, read_frame
from frame_folders.building import Contents, FolderBuilder
from frame_folders.images import Reading
from frame_folders.labels import Labels
from frame_folders.problems import Problems
from frame_folders.sequences import Cutting

from pathfinder_released.files import find, read_mask

_LABELS = Labels(CLASSES, ignored_is_given=True)


class Builder(FolderBuilder):
    """Pathfinder as its generator writes it, with masks or with a label for each image."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "Without a list of the test that of validation is it; no image is in two splits.",
        "1.0.0": "First release.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "--manual_dir must be the folder of one difficulty, such as curv_contour_length_14: "
        "imgs/1/sample_0.png with gt/1/sample_0.png or with metadata/1.npy. "
        "See datasets/pathfinder_released/README.md."
    )
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(name="default", description="As the folder has it."),
    ]

    def find(self, folder: pathlib.Path, problems: Problems) -> Contents:
        """Images with masks or labels, each a video of one frame."""
        found = find(folder, problems)
        cutting = dict.fromkeys(found.frames, Cutting(1, overlapping=False))
        reading = Reading(read_frame, functools.partial(read_mask, found.labels), channels=1)
        return Contents(found.frames, cutting, _LABELS, reading)
