"""The subsets of Pathfinder: lengths 9 to 25 as published, and small ones for two CPU cores."""

from __future__ import annotations

import dataclasses

from contours.geometry import PATHFINDER, Geometry, Spacing
from generated_videos.subset import Subset

from pathfinder.settings import Settings

_LARGE = dataclasses.replace(PATHFINDER, height=150, width=150)
# Dashes so close that a kernel of 13x13 pixels reaches from one to the next, as one of 15x15 does
# on the large images: where it does not, the task is learned several times more slowly.
_SMALL_SPACINGS = (
    Spacing(clearance=1.5, gap=2.4),
    Spacing(clearance=1.25, gap=2.4),
    Spacing(continuity=1.6, clearance=1.25, gap=2.25),
    Spacing(continuity=1.6, clearance=1.0, gap=2.25),
)
_SMALL = Geometry(
    height=28, width=28, dash_length=2.5, border=1.75, spacings=_SMALL_SPACINGS, attempts=10
)


def _subset(length: int, seed: int) -> Subset:
    settings = _settings(length, _LARGE, distracting=22, marker_radius=2.5)
    return _of(settings, seed, train=20000, test=2000)


def _small(length: int, seed: int) -> Subset:
    settings = _settings(length, _SMALL, distracting=4, marker_radius=1.6)
    return _of(settings, seed, train=20000, test=1000)


def _settings(length: int, geometry: Geometry, distracting: int, marker_radius: float) -> Settings:
    """Distractors of a third of the length, as many as make up `distracting` segments."""
    short = max(1, length // 3)
    return Settings(length, max(1, distracting // short), short, geometry, marker_radius)


def _of(settings: Settings, seed: int, train: int, test: int) -> Subset:
    size = f"{settings.geometry.height}x{settings.geometry.width}"
    return Subset(
        settings,
        seed,
        train_videos=train,
        test_videos=test,
        calibration_videos=1000,
        description=f"{size} pixels, contours of {settings.length} segments.",
    )


# Seeds differ from each other and from T-Pathfinder's.
SUBSETS = {
    "length9": _subset(9, seed=11),
    "length14": _subset(14, seed=12),
    "length20": _subset(20, seed=13),
    "length25": _subset(25, seed=14),
    "small3": _small(3, seed=15),
    "small4": _small(4, seed=16),
    "small6": _small(6, seed=17),
    "small8": _small(8, seed=18),
}
