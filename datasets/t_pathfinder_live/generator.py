"""Generator: one stream as a pure function of settings, seed and number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from generated_videos.checks import require_index
from generated_videos.parallel import Example
from t_pathfinder.generator import video
from video_records.events import events_of

from t_pathfinder_live.settings import LiveSettings

# Of the random generator that says how videos are shown; those of the videos themselves, for the
# plan and for every attempt at a layout, have numbers from 0 on.
SHOWN_STREAM = 1_000_000


def stream(settings: LiveSettings, seed: int, index: int) -> Example:
    """Makes stream `index`: the same bytes wherever, whenever and in whatever order.

    Its videos are those of T-Pathfinder with the numbers from `index * length` on, which no other
    stream of the subset has: each is shown for a frame at least.

    Args:
        settings: settings of the subset.
        seed: seed of the subset, 0 or above.
        index: number of the stream, 0 or above.

    Returns:
        `stream` int (index), `frames` uint8 [T, H, W, 1], `masks` uint8 [T, H, W] (0 or 1),
        `events` uint8 [T], `video` int64 [T] and `shown` int32 [T] (which frame of which video).

    Raises:
        ValueError: when seed or index is negative, or contours do not fit into the frame.
    """
    require_index(seed, index)
    rng = np.random.default_rng([seed, index, SHOWN_STREAM])
    first = index * settings.length
    videos = (video(settings.video, seed, first + k) for k in range(settings.length))
    return {"stream": index, **join(videos, settings, rng)}


def join(videos: Iterable[Example], settings: LiveSettings, rng: np.random.Generator) -> Example:
    """Joins videos, in their order, to one stream; `rsf_jax.data.streams` draws in the same way.

    Args:
        videos: as `t_pathfinder.generator.video` returns them; as many are taken as are needed.
        settings: settings of the subset.
        rng: of this stream.
    """
    parts: list[Example] = []
    missing = settings.length
    for made in videos:
        count = len(made["frames"])
        times = rng.geometric(1 / settings.pause, count)
        kept = rng.random(count) >= settings.drop
        kept[0] = True
        shown = np.repeat(np.arange(count, dtype=np.int32), times * kept)[:missing]
        parts.append(
            {
                "frames": made["frames"][shown],
                "masks": made["masks"][shown],
                "video": np.full(len(shown), made["video"], np.int64),
                "shown": shown,
            }
        )
        missing -= len(shown)
        if not missing:
            break
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    begins = np.diff(joined["video"], prepend=-1) != 0
    return joined | {"events": events_of(joined["frames"], joined["masks"], begins)}
