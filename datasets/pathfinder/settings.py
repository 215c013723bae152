"""Settings of a Pathfinder subset."""

from __future__ import annotations

import dataclasses
from typing import Any

from contours.geometry import Geometry


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a subset of Pathfinder depends on, apart from the seed.

    Two contours of `length` segments, `distractors` of `distractor_length`, and a disc at one end
    of one of the two. Lengths are in segments (dashes).

    Source: Linsley et al. 2020 for the task; number and length of the distractors, and the disc,
    are this project's choice.
    """

    length: int  # of the marked contour and of the other long one
    distractors: int
    distractor_length: int
    geometry: Geometry
    marker_radius: float  # of the disc, pixels

    def __post_init__(self) -> None:
        for name, least in (("length", 2), ("distractors", 0), ("distractor_length", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{name}={value!r} is not possible: it must be a whole number of at least "
                    f"{least}; raise it."
                )
        if self.distractor_length >= self.length:
            raise ValueError(
                f"distractor_length={self.distractor_length} is not possible: it must be below "
                f"length={self.length}, or distractors could not be told; lower it."
            )
        nearest = min(s.clearance for s in self.geometry.spacings) + self.geometry.thickness / 2
        if not 1 <= self.marker_radius <= nearest:
            raise ValueError(
                f"marker_radius={self.marker_radius} is not possible: it must be from 1 to "
                f"{nearest} pixels, or the disc would touch another contour; change it."
            )

    def as_dict(self) -> dict[str, Any]:
        """Nested dict of plain values, for metadata and error messages."""
        return dataclasses.asdict(self)
