"""Frames to stream: test videos as they are, or live streams composed of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rsf_jax import datasets
from rsf_jax.config.config import Config
from rsf_jax.data.building import is_built
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.streams import live_stream

CLIPS, LIVE = "clips", "live"


def clips(config: Config, count: int) -> np.ndarray:
    """Returns frames uint8 [count, T, H, W, I] of test videos, repeated if there are fewer."""
    length, video = _test_videos(config)
    shown = [np.asarray(video(n)["frames"]) for n in range(min(count, length))]
    return np.stack([shown[n % len(shown)] for n in range(count)])


def live(config: Config, count: int, frames: int) -> np.ndarray:
    """Returns frames uint8 [count, T, H, W, I] of live streams of test videos.

    Each frame is shown for three in the mean, and after the last comes a cut; no two streams show
    the same.
    """
    length, video = _test_videos(config)
    rng = np.random.default_rng(0)

    def videos(stream: int) -> Any:
        # In an order in which the first videos of all streams are few, and different.
        return (video((stream + n * count) % length) for n in range(frames))

    return np.stack(
        [np.asarray(live_stream(videos(n), frames, rng)["frames"]) for n in range(count)]
    )


def _test_videos(config: Config) -> tuple[int, Callable[[int], Any]]:
    """How many test videos there are, and what returns one of them.

    Videos of T-Pathfinder are made as they are asked for where they are not built: a whole data set
    takes minutes, and each video is a function of its number.
    """
    dataset, _, name = config.dataset.partition("/")
    if dataset != "t_pathfinder" or is_built(config):
        test = open_dataset(config).test
        return len(test), test.__getitem__
    datasets.importable()
    from t_pathfinder.generator import video
    from t_pathfinder.subsets import SUBSETS

    subset = SUBSETS[name]
    numbers = subset.splits["test"]
    return len(numbers), lambda n: video(subset.settings, subset.seed, numbers[n])
