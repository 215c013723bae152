"""Settings of a T-Pathfinder subset: when contours grow, how they look and how they are fitted."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

# Sub-samples per pixel and axis in anti-aliasing: ink values are whole sixteenths of 255.
SUPERSAMPLING = 4

# A sub-sample lies at most this far (pixels) from its pixel's centre, so the centre of an ink
# pixel can lie this far outside of the dash that it belongs to.
PIXEL_SPREAD = math.sqrt(0.5) * (1 - 1 / SUPERSAMPLING)

Range = tuple[int, int]


def _require(condition: bool, name: str, value: object, allowed: str, remedy: str) -> None:
    """Raises a one-line ValueError naming the setting, its value, what is allowed, what to do."""
    if not condition:
        raise ValueError(f"{name}={value!r} is not possible: it must be {allowed}; {remedy}.")


def require_index(seed: int, index: int) -> None:
    """Raises a one-line ValueError unless seed and number of an example are 0 or above."""
    for name, value in (("seed", seed), ("index", index)):
        _require(value >= 0, name, value, "0 or above", "raise it")


def _require_range(name: str, value: Range, lowest: int) -> None:
    """Checks an inclusive (least, most) pair of whole numbers."""
    whole = len(value) == 2 and all(isinstance(bound, int) for bound in value)
    _require(
        whole and lowest <= value[0] <= value[1],
        name,
        value,
        f"a pair (least, most) of whole numbers with {lowest} <= least <= most",
        "give both ends, the smaller one first",
    )


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
            _require(isinstance(value, int) and value >= lowest, name, value, allowed, "raise it")
        _require_range("distractor_start", self.distractor_start, 1)
        _require_range("growth", self.growth, 1)
        for name in ("longest_probability", "distractor_probability"):
            value = getattr(self, name)
            _require(0 <= value <= 1, name, value, "from 0 to 1", "give a probability")
        _require(
            self.distractor_start[1] < self.longest_start,
            "distractor_start",
            self.distractor_start,
            f"below longest_start={self.longest_start}",
            "shorten the distractors or lengthen the longest contour",
        )
        allowed = "'current' or 'initial'"
        known = self.slow_contour in ("current", "initial")
        _require(known, "slow_contour", self.slow_contour, allowed, "choose one of the two")

    @property
    def contours(self) -> int:
        """Contours in a video, the first target included."""
        return self.distractors + 1


@dataclasses.dataclass(frozen=True)
class Spacing:
    """How tightly contours may bend and lie: one level of relaxation.

    Source: the Pathfinder generator's published parameters for level 0.
    """

    continuity: float = (
        1.4  # a turn of d radians has weight max(cos(min(continuity*|d|, pi/2)), 0)^2
    )
    clearance: float = 4.0  # pixels free between contours (see Geometry), gaps counted as solid
    gap: float = 8.0  # pixels from the end of one dash to the start of the next, along the line

    def __post_init__(self) -> None:
        allowed, remedy = "between 0.7 and 10", "smaller values bend more, larger ones less"
        _require(0.7 <= self.continuity <= 10, "continuity", self.continuity, allowed, remedy)
        _require(self.clearance >= 1, "clearance", self.clearance, "at least 1 pixel", "raise it")

    @property
    def largest_turn(self) -> float:
        """Largest turn between two neighbouring segments, radians."""
        return math.pi / 2 / self.continuity


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Shape of the dashes and spacing of the contours, all lengths in pixels.

    The rule that every delivered video obeys: the centre lines of two contours, gaps included,
    are at least `thickness + clearance` apart, so that at least `clearance` lies between the edges
    of any two dashes, one of each (anti-aliasing inks pixels whose centres are up to half a pixel
    outside of an edge). The same holds between segments of one contour that are not neighbours.

    `spacings[0]` is the geometry as wanted. The later entries are tried in turn, each for
    `attempts` whole layouts, when a video's lengths do not fit; each example records which.
    """

    height: int = 128  # image height
    width: int = 128  # image width
    dash_length: float = 5.0  # length of a drawn dash
    thickness: float = 1.5  # width of a drawn dash
    border: float = 2.0  # least distance from a dash's centre line to the frame's edge
    spacings: tuple[Spacing, ...] = (Spacing(),)  # level 0 first, then the looser ones
    attempts: int = 6  # whole layouts tried per level before loosening
    choices: int = 1  # free turns compared, the one nearest other contours wins; 1: random

    def __post_init__(self) -> None:
        _require(len(self.spacings) > 0, "spacings", self.spacings, "one or more", "add one")
        for name in ("attempts", "choices"):
            value = getattr(self, name)
            whole = isinstance(value, int) and value >= 1
            _require(whole, name, value, "a whole number of at least 1", "raise it")
        for name in ("dash_length", "thickness"):
            value = getattr(self, name)
            _require(value >= 1, name, value, "at least 1 pixel", "raise it")
        least = self.thickness / 2 + 1
        allowed = f"at least thickness/2 + 1 = {least}"
        _require(self.border >= least, "border", self.border, allowed, "raise it")
        for spacing in self.spacings:
            self._check_spacing(spacing)
        self._check_frame()

    def _check_spacing(self, spacing: Spacing) -> None:
        """Neighbouring dashes must not touch; a segment must clear the one before the last."""
        half = spacing.largest_turn / 2
        opening = spacing.gap * math.cos(half) - self.thickness * math.sin(half)
        _require(
            opening > 2 * PIXEL_SPREAD,  # else two dashes could share a pixel
            "gap",
            spacing.gap,
            f"wide enough that neighbouring dashes stay apart in the sharpest turn "
            f"({math.degrees(2 * half):.0f} degrees; {opening:.2f} px are left)",
            "widen the gap, or raise continuity",
        )
        most = self.pitch(spacing) - self.thickness - 2 * PIXEL_SPREAD - 0.8
        allowed = f"below {most:.2f}, or a segment would collide with the last but one"
        remedy = "lower it, or lengthen the dash or the gap"
        _require(spacing.clearance < most, "clearance", spacing.clearance, allowed, remedy)

    def _check_frame(self) -> None:
        """A single segment must fit."""
        least = math.ceil(self.pitch(self.spacings[0]) + 2 * self.border)
        for name in ("height", "width"):
            value = getattr(self, name)
            allowed = f"a whole number of at least {least} for one segment to fit"
            fits = isinstance(value, int) and value >= least
            _require(fits, name, value, allowed, "enlarge the frame or shorten the segments")

    def pitch(self, spacing: Spacing) -> float:
        """Length of one segment, from dash to dash along the line, pixels."""
        return self.dash_length + spacing.gap


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a subset of T-Pathfinder depends on, apart from the seed."""

    rule: GrowthRule
    geometry: Geometry

    def as_dict(self) -> dict[str, Any]:
        """Nested dict of plain values, for metadata and error messages."""
        return dataclasses.asdict(self)
