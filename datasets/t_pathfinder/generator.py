"""Generator: one video of T-Pathfinder as a pure function of settings, seed and index."""

from __future__ import annotations

from contours.drawing import redraw
from contours.layout import lay_out
from generated_videos.checks import require_index
from generated_videos.parallel import Example

from t_pathfinder.plan import draw_plan
from t_pathfinder.settings import Settings


def video(settings: Settings, seed: int, index: int) -> Example:
    """Makes video `index`: the same bytes wherever, whenever and in whatever order.

    Args:
        settings: settings of the subset.
        seed: seed of the subset, 0 or above.
        index: number of the video, 0 or above.

    Returns:
        `video` int (index), `frames` uint8 [T, H, W, 1], `masks` uint8 [T, H, W] (0 or 1),
        `lengths` int32 [T, contours] (segments), `target` int32 [T], `segments` float32
        [sum(lengths[-1]), 3], `layout_attempts` int, `relaxation` int.

    Raises:
        ValueError: when seed or index is negative, or the contours do not fit into the frame.
    """
    require_index(seed, index)
    plan = draw_plan(settings.rule, seed, index)
    layout = lay_out(settings.geometry, plan.lengths[-1], seed, index)
    frames, masks = redraw(settings.geometry, layout.segments, plan.lengths, plan.target)
    return {
        "video": index,
        "frames": frames,
        "masks": masks,
        "lengths": plan.lengths,
        "target": plan.target,
        "segments": layout.segments,
        "layout_attempts": layout.attempts,
        "relaxation": layout.relaxation,
    }
