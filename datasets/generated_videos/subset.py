"""A named set of generated videos: settings, seed and size."""

from __future__ import annotations

import dataclasses
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
        description: one sentence for the catalogue.
    """

    settings: Any
    seed: int
    train_videos: int
    test_videos: int
    calibration_videos: int = 0
    description: str = ""

    def __post_init__(self) -> None:
        least_values = {"seed": 0, "train_videos": 1, "test_videos": 1, "calibration_videos": 0}
        for name, least in least_values.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{name}={value!r} is not possible: it must be a whole number of at least "
                    f"{least}; raise it."
                )

    @property
    def splits(self) -> dict[str, range]:
        """Indices of the videos of each split."""
        end = self.train_videos + self.test_videos
        splits = {"train": range(self.train_videos), "test": range(self.train_videos, end)}
        if self.calibration_videos:
            # Last, so that its size never renumbers a training or test video.
            splits["calibration"] = range(end, end + self.calibration_videos)
        return splits
