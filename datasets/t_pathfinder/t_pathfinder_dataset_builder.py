"""TFDS builder of T-Pathfinder. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from generated_videos.building import GeneratedBuilder, SubsetConfig, configs
from generated_videos.subset import Subset
from video_records.features import array, frames_and_masks

from t_pathfinder.generator import video
from t_pathfinder.subsets import ON_REQUEST, PLAIN


class Builder(GeneratedBuilder):
    """Temporal Pathfinder: segment the longest of several growing contours in every frame."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "2.0.0": "`easy` and `hard` have 5 pixels from dash to dash in place of 13 (GEOMETRY.md); "
        "as they were they are now called `easyv1` and `hardv1`. The others are those of 1.1.0.",
        "1.1.0": "Adds the split `calibration`; `train` and `test` are those of 1.0.0.",
        "1.0.0": "First release.",
    }
    BUILDER_CONFIGS: ClassVar[list[SubsetConfig]] = configs(PLAIN)
    HOMEPAGE = "https://github.com/ZuowenWang0000/RecSlowFast_Neurips_Unireps"  # of the paper
    MAKE = staticmethod(video)

    @tfds.core.utils.classproperty
    @classmethod
    def builder_configs(cls) -> dict[str, SubsetConfig]:
        """All that can be asked for by name; `tfds build` alone builds BUILDER_CONFIGS."""
        return {config.name: config for config in [*cls.BUILDER_CONFIGS, *configs(ON_REQUEST)]}

    def features(self, subset: Subset) -> tfds.features.FeaturesDict:
        """Features of one subset."""
        rule, geometry = subset.settings.rule, subset.settings.geometry
        size = (geometry.height, geometry.width)
        return tfds.features.FeaturesDict(
            {
                "video": tfds.features.Scalar(np.int64),
                # 131 kB a video as they are, 3 kB compressed.
                **frames_and_masks(rule.frames, size, channels=1),
                "lengths": array((rule.frames, rule.contours), np.int32, "bytes"),
                "target": array((rule.frames,), np.int32, "bytes"),
                "segments": array((None, 3), np.float32, "bytes"),
                "layout_attempts": tfds.features.Scalar(np.int32),
                "relaxation": tfds.features.Scalar(np.int32),
            }
        )
