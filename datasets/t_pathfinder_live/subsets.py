"""The subsets of streams: which videos they show, how many there are, and how long each is."""

from __future__ import annotations

from generated_videos.subset import Subset
from t_pathfinder.subsets import SUBSETS as OF_VIDEOS

from t_pathfinder_live.settings import LiveSettings

LIVE, LONG = 60, 1000  # frames of a stream


def _live(name: str, seed: int, train: int) -> Subset:
    """Streams to train, choose and test with."""
    return Subset(
        LiveSettings(OF_VIDEOS[name].settings, LIVE),
        seed,
        train_videos=train,
        test_videos=train // 10,
        calibration_videos=train // 5,
        validation_videos=train // 20,
        description=f"Streams of {LIVE} frames of `{name}`, with pauses, bursts and cuts.",
    )


def _long(name: str, seed: int, test: int) -> Subset:
    """Streams to test with; the other splits are small."""
    return Subset(
        LiveSettings(OF_VIDEOS[name].settings, LONG),
        seed,
        train_videos=test // 2,
        test_videos=test,
        calibration_videos=test // 2,
        validation_videos=test // 8,
        description=f"Streams of {LONG} frames of `{name}`, for a long test.",
    )


# Seeds differ from each other and from those of the videos alone, which models are trained on: no
# stream shows a video that a subset of T-Pathfinder has.
SUBSETS = {
    "quickstart_live": _live("quickstart", seed=21, train=2000),
    "easy72_live": _live("easy72", seed=22, train=1000),
    "hard72_live": _live("hard72", seed=23, train=1000),
    "quickstart_live_long": _long("quickstart", seed=24, test=32),
    "easy72_live_long": _long("easy72", seed=25, test=16),
    "hard72_live_long": _long("hard72", seed=26, test=16),
}
