"""TFDS builder of Pathfinder. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from generated_videos.building import GeneratedBuilder, SubsetConfig, configs
from generated_videos.subset import Subset
from video_records.features import array, frames_and_masks

from pathfinder.generator import LONG, image
from pathfinder.subsets import SUBSETS


class Builder(GeneratedBuilder):
    """Pathfinder: segment the marked one of two long contours among short ones."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "First release.",
        "2.0.0": "The small subsets are of 28x28 pixels, with contours of 3 to 8 segments.",
    }
    BUILDER_CONFIGS: ClassVar[list[SubsetConfig]] = configs(SUBSETS)
    HOMEPAGE = "https://github.com/c-rbp"  # of the paper
    MAKE = staticmethod(image)

    def features(self, subset: Subset) -> tfds.features.FeaturesDict:
        """Features of one subset: those of T-Pathfinder with a single frame, and the marker."""
        settings = subset.settings
        size = (settings.geometry.height, settings.geometry.width)
        return tfds.features.FeaturesDict(
            {
                "video": tfds.features.Scalar(np.int64),
                **frames_and_masks(1, size, channels=1),
                "lengths": array((1, LONG + settings.distractors), np.int32, "bytes"),
                "target": array((1,), np.int32, "bytes"),
                "marker": array((2,), np.float32, "bytes"),
                "segments": array((None, 3), np.float32, "bytes"),
                "layout_attempts": tfds.features.Scalar(np.int32),
                "relaxation": tfds.features.Scalar(np.int32),
            }
        )
