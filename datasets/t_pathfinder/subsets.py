"""The subsets of T-Pathfinder: settings, seed and size of each."""

from __future__ import annotations

import dataclasses

from contours.geometry import PATHFINDER, Geometry, Spacing
from generated_videos.subset import Subset

from t_pathfinder.settings import GrowthRule, Settings

# 5 pixels from dash to dash, which is what the paper's figures say: see GEOMETRY.md.
_PAPER = Geometry(
    dash_length=2.75,
    border=1.75,
    spacings=(
        Spacing(clearance=1.5, gap=2.25),
        Spacing(clearance=1.25, gap=2.25),
        Spacing(clearance=1.0, gap=2.25),
    ),
    attempts=10,
)
_EASY = Settings(
    GrowthRule(frames=6, distractors=4, longest_start=10, distractor_start=(1, 3)), _PAPER
)
_HARD = Settings(
    GrowthRule(
        frames=8,
        distractors=4,
        longest_start=10,
        distractor_start=(1, 8),
        longest_probability=0.2,
        distractor_probability=0.8,
        overtaking=True,
    ),
    _PAPER,
)

# The same in a quarter of the pixels, where a recurrent step costs a quarter.
_SMALL = dataclasses.replace(_PAPER, height=64, width=64)
_EASY64 = Settings(_EASY.rule, _SMALL)
_HARD64 = Settings(_HARD.rule, dataclasses.replace(_SMALL, choices=2))

# Versions 1.x of `easy` and `hard`.
_EASY_V1 = Settings(_EASY.rule, PATHFINDER)
_HARD_V1 = Settings(_HARD.rule, dataclasses.replace(PATHFINDER, choices=2))

_QUICKSTART_SPACINGS = (
    Spacing(clearance=2.0, gap=2.5),
    Spacing(continuity=1.2, clearance=2.0, gap=2.5),
    Spacing(continuity=1.2, clearance=1.5, gap=2.5),
    Spacing(continuity=1.2, clearance=1.0, gap=2.5),
    Spacing(continuity=1.4, clearance=1.0, gap=2.25),
    Spacing(continuity=1.7, clearance=1.0, gap=2.0),
)

# Fast growth of the longest: a prediction that does not change soon is a bad one.
_QUICKSTART = Settings(
    GrowthRule(
        frames=5,
        distractors=3,
        longest_start=3,
        distractor_start=(1, 2),
        growth=(1, 1),
        longest_probability=0.8,
        distractor_probability=0.3,
    ),
    Geometry(
        height=36,
        width=36,
        dash_length=3.5,
        border=1.75,
        spacings=_QUICKSTART_SPACINGS,
        attempts=10,
    ),
)

# The rules of `easy` and `hard` with the dashes of `quickstart`, 6 pixels from dash to dash.
_HALF = dataclasses.replace(_QUICKSTART.geometry, height=72, width=72)
_EASY72 = Settings(_EASY.rule, _HALF)
_HARD72 = Settings(_HARD.rule, dataclasses.replace(_HALF, choices=2))

# Short contours that overtake each other, for minutes on two cores.
_HARD40 = Settings(
    dataclasses.replace(
        _HARD.rule, distractors=3, longest_start=4, distractor_start=(1, 3), growth=(1, 1)
    ),
    dataclasses.replace(_HARD72.geometry, height=40, width=40),
)

# Different seeds, so that no video of one subset shares its random numbers with one of another.
# What `tfds build t_pathfinder` builds.
PLAIN = {
    "easy": Subset(
        _EASY,
        seed=1,
        train_videos=8000,
        test_videos=2000,
        calibration_videos=1000,
        description="6 frames; the contour that starts as the longest stays the longest.",
    ),
    "hard": Subset(
        _HARD,
        seed=2,
        train_videos=8000,
        test_videos=2000,
        calibration_videos=1000,
        description="8 frames; distractors grow fast and become the target by overtaking it.",
    ),
    "quickstart": Subset(
        _QUICKSTART,
        seed=3,
        train_videos=12000,
        test_videos=500,
        calibration_videos=1000,
        description="5 frames of 36x36 pixels by the rule of `easy`, to try things out in minutes.",
    ),
    "easy72": Subset(
        _EASY72,
        seed=4,
        train_videos=8000,
        test_videos=2000,
        calibration_videos=1000,
        description="`easy` at 72x72 pixels, for two cores.",
    ),
    "hard72": Subset(
        _HARD72,
        seed=5,
        train_videos=8000,
        test_videos=2000,
        calibration_videos=1000,
        description="`hard` at 72x72 pixels, for two cores.",
    ),
    "hard40": Subset(
        _HARD40,
        seed=6,
        train_videos=12000,
        test_videos=1000,
        calibration_videos=1000,
        description="`hard` with few and short contours at 40x40 pixels, to try in minutes.",
    ),
}

# What it builds only when asked for by name.
ON_REQUEST = {
    "easy64": Subset(
        _EASY64,
        seed=7,
        train_videos=40000,
        test_videos=2000,
        calibration_videos=1000,
        description="`easy` in 64x64 pixels, to train in before `easy`.",
    ),
    "hard64": Subset(
        _HARD64,
        seed=8,
        train_videos=40000,
        test_videos=2000,
        calibration_videos=1000,
        description="`hard` in 64x64 pixels, to train in before `hard`.",
    ),
    "easyv1": dataclasses.replace(
        PLAIN["easy"], settings=_EASY_V1, description="`easy` of the versions 1.x."
    ),
    "hardv1": dataclasses.replace(
        PLAIN["hard"], settings=_HARD_V1, description="`hard` of the versions 1.x."
    ),
}
SUBSETS = PLAIN | ON_REQUEST
