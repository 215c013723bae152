"""TFDS builder of mazes. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from generated_videos.building import GeneratedBuilder, SubsetConfig, configs
from generated_videos.subset import Subset
from video_records.features import array, frames_and_masks

from mazes.events import KINDS
from mazes.generator import video
from mazes.steps import CELL
from mazes.subsets import SUBSETS


class Builder(GeneratedBuilder):
    """Mazes: segment the passages that are connected with a marked cell, while gates open."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar[list[SubsetConfig]] = configs(SUBSETS)
    HOMEPAGE = "https://arxiv.org/abs/2106.04537"  # recurrence that is tested by mazes
    MAKE = staticmethod(video)

    def features(self, subset: Subset) -> tfds.features.FeaturesDict:
        """Features of one subset; those of images say nothing of events."""
        settings = subset.settings
        length, side = settings.frames, settings.growth.side * CELL
        happens = {} if settings.happening is None else dict.fromkeys(("event", "events"), np.uint8)
        return tfds.features.FeaturesDict(
            {
                "video": tfds.features.Scalar(np.int64),
                **frames_and_masks(length, (side, side), channels=1),
                "distance": array((length,), np.int32, "bytes"),
                **{name: array((length,), dtype, "bytes") for name, dtype in happens.items()},
            }
        )

    def more_metadata(self, subset: Subset) -> dict[str, Any]:
        """What the values of `event` are called, where there are any."""
        return {} if subset.settings.happening is None else {"event_names": list(KINDS)}
