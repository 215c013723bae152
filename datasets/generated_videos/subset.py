"""A named set of generated videos: settings, seed and size."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any


@dataclasses.dataclass(frozen=True)
class Subset:
    """A named set of videos. Videos are independent, so an index range is a random split.

    Attributes:
        settings: what the videos look like.
        seed: seed of all of them.
        train_videos: videos 0 to train_videos - 1 are the training split.
        test_videos: the test_videos after them are the test split.
        calibration_videos: the calibration_videos after those are the calibration split; 0 means
            that there is none.
        description: one sentence for the catalog.
        validation_videos: the validation_videos after all of those are the validation split; 0
            means that there is none.
    """

    settings: Any
    seed: int
    train_videos: int
    test_videos: int
    calibration_videos: int = 0
    description: str = ""
    validation_videos: int = 0

    def __post_init__(self) -> None:
        at_least_one = ("train_videos", "test_videos")
        for name in ("seed", *at_least_one, "calibration_videos", "validation_videos"):
            least = int(name in at_least_one)
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{name}={value!r} is not possible: it must be a whole number of at least "
                    f"{least}; raise it."
                )

    @property
    def splits(self) -> dict[str, range]:
        """Indices of the videos of each split."""
        # In this order, so that the size of one that is optional renumbers no training or test
        # video.
        counts = {
            "train": self.train_videos,
            "test": self.test_videos,
            "calibration": self.calibration_videos,
            "validation": self.validation_videos,
        }
        ends = itertools.accumulate(counts.values())
        return {
            name: range(end - count, end)
            for (name, count), end in zip(counts.items(), ends)
            if count
        }
