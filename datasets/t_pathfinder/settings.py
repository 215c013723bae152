"""Settings of a T-Pathfinder subset: when contours grow, and how they look and are fitted."""

from __future__ import annotations

import dataclasses
from typing import Any

from contours.geometry import Geometry
from generated_videos.checks import Range, require, require_range


@dataclasses.dataclass(frozen=True)
class GrowthRule:
    """How long the contours are in every frame. Lengths are in segments (dashes).

    Contour 0 is the longest one of the first frame; the others are the distractors.

    Source: RecSlowFast, section 4.1. Where that is silent: the first target is also the one
    contour that the limit of `overtaking=False` refers to, at the length it has in the same
    frame; a tie between challengers goes to the lowest index.
    """

    frames: int  # frames in a video
    distractors: int  # contours beside contour 0
    longest_start: int  # length of contour 0 in the first frame
    distractor_start: Range  # least and most length of a distractor in the first frame, uniform
    growth: Range = (1, 3)  # least and most segments gained by a contour that grows, uniform
    longest_probability: float = 0.5  # chance a frame that the slow contour grows
    distractor_probability: float = 0.5  # chance a frame that any other contour grows
    overtaking: bool = False  # may a distractor become longer than contour 0 and so the target?
    slow_contour: str = "current"  # which one grows slowly: the "current" target or the "initial"

    def __post_init__(self) -> None:
        for name, lowest in (("frames", 1), ("distractors", 0), ("longest_start", 1)):
            value = getattr(self, name)
            allowed = f"a whole number of at least {lowest}"
            require(isinstance(value, int) and value >= lowest, name, value, allowed, "raise it")
        require_range("distractor_start", self.distractor_start, 1)
        require_range("growth", self.growth, 1)
        for name in ("longest_probability", "distractor_probability"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "from 0 to 1", "give a probability")
        require(
            self.distractor_start[1] < self.longest_start,
            "distractor_start",
            self.distractor_start,
            f"below longest_start={self.longest_start}",
            "shorten the distractors or lengthen the longest contour",
        )
        allowed = "'current' or 'initial'"
        known = self.slow_contour in ("current", "initial")
        require(known, "slow_contour", self.slow_contour, allowed, "choose one of the two")

    @property
    def contours(self) -> int:
        """Contours in a video, the first target included."""
        return self.distractors + 1


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a subset of T-Pathfinder depends on, apart from the seed."""

    rule: GrowthRule
    geometry: Geometry

    def as_dict(self) -> dict[str, Any]:
        """Nested dict of plain values, for metadata and error messages."""
        return dataclasses.asdict(self)
