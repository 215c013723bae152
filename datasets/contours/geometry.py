"""Geometry: how dashes look, how contours are spaced, and how much of a pixel ink may cover."""

from __future__ import annotations

import dataclasses
import math

from generated_videos.checks import require

# Sub-samples per pixel and axis in anti-aliasing: ink values are whole sixteenths of 255.
SUPERSAMPLING = 4

# A sub-sample lies at most this far (pixels) from its pixel's center, so the center of an ink
# pixel can lie this far outside of the dash that it belongs to.
PIXEL_SPREAD = math.sqrt(0.5) * (1 - 1 / SUPERSAMPLING)


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
        require(0.7 <= self.continuity <= 10, "continuity", self.continuity, allowed, remedy)
        require(self.clearance >= 1, "clearance", self.clearance, "at least 1 pixel", "raise it")

    @property
    def largest_turn(self) -> float:
        """Largest turn between two neighboring segments, radians."""
        return math.pi / 2 / self.continuity


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Shape of the dashes and spacing of the contours, all lengths in pixels.

    The rule that every delivered video obeys: the center lines of two contours, gaps included,
    are at least `thickness + clearance` apart, so that at least `clearance` lies between the edges
    of any two dashes, one of each (anti-aliasing inks pixels whose centers are up to half a pixel
    outside of an edge). The same holds between segments of one contour that are not neighbors.

    `spacings[0]` is the geometry as wanted. The later entries are tried in turn, each for
    `attempts` whole layouts, when a video's lengths do not fit; each example records which.
    """

    height: int = 128  # image height
    width: int = 128  # image width
    dash_length: float = 5.0  # length of a drawn dash
    thickness: float = 1.5  # width of a drawn dash
    border: float = 2.0  # least distance from a dash's center line to the frame's edge
    spacings: tuple[Spacing, ...] = (Spacing(),)  # level 0 first, then the looser ones
    attempts: int = 6  # whole layouts tried per level before loosening
    choices: int = 1  # free turns compared, the one nearest other contours wins; 1: random

    def __post_init__(self) -> None:
        require(len(self.spacings) > 0, "spacings", self.spacings, "one or more", "add one")
        for name in ("attempts", "choices"):
            value = getattr(self, name)
            whole = isinstance(value, int) and value >= 1
            require(whole, name, value, "a whole number of at least 1", "raise it")
        for name in ("dash_length", "thickness"):
            value = getattr(self, name)
            require(value >= 1, name, value, "at least 1 pixel", "raise it")
        least = self.thickness / 2 + 1
        allowed = f"at least thickness/2 + 1 = {least}"
        require(self.border >= least, "border", self.border, allowed, "raise it")
        for spacing in self.spacings:
            self._check_spacing(spacing)
        self._check_frame()

    def _check_spacing(self, spacing: Spacing) -> None:
        """Neighboring dashes must not touch; a segment must clear the one before the last."""
        half = spacing.largest_turn / 2
        opening = spacing.gap * math.cos(half) - self.thickness * math.sin(half)
        require(
            opening > 2 * PIXEL_SPREAD,  # else two dashes could share a pixel
            "gap",
            spacing.gap,
            f"wide enough that neighboring dashes stay apart in the sharpest turn "
            f"({math.degrees(2 * half):.0f} degrees; {opening:.2f} px are left)",
            "widen the gap, or raise continuity",
        )
        most = self.pitch(spacing) - self.thickness - 2 * PIXEL_SPREAD - 0.8
        allowed = f"below {most:.2f}, or a segment would collide with the last but one"
        remedy = "lower it, or lengthen the dash or the gap"
        require(spacing.clearance < most, "clearance", spacing.clearance, allowed, remedy)

    def _check_frame(self) -> None:
        """A single segment must fit."""
        least = math.ceil(self.pitch(self.spacings[0]) + 2 * self.border)
        for name in ("height", "width"):
            value = getattr(self, name)
            allowed = f"a whole number of at least {least} for one segment to fit"
            fits = isinstance(value, int) and value >= least
            require(fits, name, value, allowed, "enlarge the frame or shorten the segments")

    def pitch(self, spacing: Spacing) -> float:
        """Length of one segment, from dash to dash along the line, pixels."""
        return self.dash_length + spacing.gap


# The published Pathfinder generator's own: 13 pixels from dash to dash. Bends are loosened first
# (that generator itself was used from 2.7 down to 0.8), then the clearance, then the gap. The last
# levels hold any plan that the rules can produce.
PATHFINDER = Geometry(
    spacings=(
        Spacing(),
        Spacing(continuity=1.2),
        Spacing(continuity=1.0),
        Spacing(continuity=1.0, clearance=3.5),
        Spacing(continuity=1.0, clearance=3.0),
        Spacing(continuity=1.0, clearance=3.0, gap=6.0),
        Spacing(continuity=1.0, clearance=2.5, gap=5.0),
        Spacing(continuity=1.0, clearance=2.0, gap=4.0),
    )
)
