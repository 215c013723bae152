"""TFDS builder to copy: a square that drifts over noise. No TensorFlow, to build or to read.

docs/dataset-contract.md says what the library reads of a built dataset, and what may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from video_records.building import VideoRecords
from video_records.features import frames_and_masks
from video_records.labels import IGNORED, class_metadata

LENGTH = 4  # frames of a video
SIZE = (24, 24)  # height and width, pixels
CHANNELS = 1  # 1: gray, 3: red, green, blue
CLASSES = {"background": (0, 0, 0), "square": (240, 180, 40)}  # with their colors in pictures
# Numbers of the videos of each split. No frame may be in two.
SPLITS = {"train": range(64), "test": range(64, 80)}
SIDE = 8  # of the square, pixels


class Builder(VideoRecords, tfds.core.GeneratorBasedBuilder):
    """Segment a square that drifts over noise."""

    # Data of another first number are other data: whoever has the old ones builds anew.
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(name="default", description="The only one."),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        """Features, and what the library asks of the metadata."""
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(frames_and_masks(LENGTH, SIZE, CHANNELS)),
            supervised_keys=("frames", "masks"),
            disable_shuffling=True,  # the order of `_generate_examples` is the order of the files
            metadata=tfds.core.MetadataDict(
                class_metadata(list(CLASSES), list(CLASSES.values())),
                # By what they were made of, runs know data again: all that the videos depend on.
                settings={"length": LENGTH, "size": list(SIZE), "side": SIDE},
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        """The videos of every split; nothing is downloaded."""
        del dl_manager
        return {split: self._generate_examples(numbers) for split, numbers in SPLITS.items()}

    def _generate_examples(self, numbers: range) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Yields (number, video): read yours here, or make them."""
        for number in numbers:
            yield number, video(number)


def video(number: int) -> dict[str, np.ndarray]:
    """Makes a video, the same whenever it is made.

    Returns:
        `frames` uint8 [T, H, W, C], and `masks` uint8 [T, H, W]: a class, or `IGNORED` where
        nobody has said what is there.
    """
    rng = np.random.default_rng(number)
    frames = rng.integers(0, 100, (LENGTH, *SIZE, CHANNELS), np.uint8)
    masks = np.zeros((LENGTH, *SIZE), np.uint8)
    top, left = rng.integers(1, np.array(SIZE) - SIDE - LENGTH)
    for t in range(LENGTH):
        inside = t, slice(top + t, top + t + SIDE), slice(left + t, left + t + SIDE)
        frames[inside] += 100
        masks[inside] = 1
    masks[:, [0, -1]] = masks[:, :, [0, -1]] = IGNORED
    return {"frames": frames, "masks": masks}
