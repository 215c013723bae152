"""TFDS builder of T-Pathfinder's streams. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from generated_videos.building import GeneratedBuilder, SubsetConfig, configs
from generated_videos.subset import Subset
from video_records.features import array, frames_and_masks

from t_pathfinder_live.generator import stream
from t_pathfinder_live.subsets import SUBSETS


class Builder(GeneratedBuilder):
    """Streams of T-Pathfinder's videos: each frame is shown for a while, some are left out."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar[list[SubsetConfig]] = configs(SUBSETS)
    HOMEPAGE = "https://github.com/ZuowenWang0000/RecSlowFast_Neurips_Unireps"  # of the paper
    MAKE = staticmethod(stream)

    def features(self, subset: Subset) -> tfds.features.FeaturesDict:
        """Features of one subset."""
        length, geometry = subset.settings.length, subset.settings.video.geometry
        return tfds.features.FeaturesDict(
            {
                "stream": tfds.features.Scalar(np.int64),
                **frames_and_masks(length, (geometry.height, geometry.width), channels=1),
                "events": array((length,), np.uint8, "bytes"),
                "video": array((length,), np.int64, "bytes"),
                "shown": array((length,), np.int32, "bytes"),
            }
        )
