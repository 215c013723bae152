"""Settings of a subset of streams: what its videos look like, and how they are shown."""

from __future__ import annotations

import dataclasses
from typing import Any

from generated_videos.checks import require
from t_pathfinder.settings import Settings


@dataclasses.dataclass(frozen=True)
class LiveSettings:
    """Everything that a stream depends on, apart from the seed.

    Attributes:
        video: settings of the videos that it shows.
        length: frames of the stream.
        pause: frames for which a frame is shown, mean of a geometric distribution.
        drop: chance that a frame of a video is left out; the first never is.
    """

    video: Settings
    length: int
    pause: float = 3.0
    drop: float = 0.1

    def __post_init__(self) -> None:
        whole = isinstance(self.length, int) and self.length >= 1
        require(whole, "length", self.length, "a whole number of at least 1", "raise it")
        allowed = "a number of frames of at least 1"
        require(1 <= self.pause < float("inf"), "pause", self.pause, allowed, "give such a mean")
        require(0 <= self.drop <= 1, "drop", self.drop, "from 0 to 1", "give a probability")

    def as_dict(self) -> dict[str, Any]:
        """Nested dict of plain values, for metadata."""
        return dataclasses.asdict(self)
