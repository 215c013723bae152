"""Summary: figures of the released files as Markdown, the pitch of their dashes among them.

Run in `datasets/`: `python -m t_pathfinder_released.summary --folder=/path/to/hard`. The pitch says
which geometry of `t_pathfinder` is theirs: see GEOMETRY.md there.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterable

import numpy as np
from contours.drawing import MASK_ABOVE
from contours.files import read_frame, read_target
from contours.tables import table
from frame_folders.problems import Problems
from frame_folders.sequences import Frame

from t_pathfinder_released.files import (
    find_videos,
    frames_on_disk,
    frames_per_video,
)
from t_pathfinder_released.measure import measure


def summarize(folder: pathlib.Path, split: str, videos: int) -> str:
    """Returns a table of the first videos of a split.

    Args:
        folder: the authors' folder of one subset.
        split: `train` or `test`.
        videos: how many at most.

    Raises:
        ValueError: when files are missing or damaged.
    """
    problems = Problems(folder)
    length = frames_per_video(folder, problems)
    problems.raise_if_any()  # so the length is known
    frames = find_videos(folder, split, frames_on_disk(folder), length, problems)
    problems.raise_if_any()
    rows = _rows(frames[: videos * length], length)
    return table((f"{split}, {min(videos, len(frames) // length)} videos", ""), rows)


def _rows(frames: list[Frame], length: int) -> list[tuple[str, str]]:
    targets = [read_target(frame.mask) > 0 for frame in frames]
    inks = [read_frame(frame.image)[..., 0] > MASK_ABOVE for frame in frames]
    dashes = [measure(target) for target in targets]
    by_frame = [dashes[t::length] for t in range(length)]
    counts = (f"{np.mean([len(d.lengths) for d in found]):.2f}" for found in by_frame)
    share = np.mean([target.sum() / max(ink.sum(), 1) for target, ink in zip(targets, inks)])
    height, width = targets[0].shape
    return [
        ("frames, size", f"{length}, {height}x{width}"),
        ("dashes of the target, by frame", ", ".join(counts)),
        ("from dash to dash (px): median, quartiles", _spread(d.pitches for d in dashes)),
        ("a dash's length (px): median, quartiles", _spread(d.lengths for d in dashes)),
        ("its width (px): median, quartiles", _spread(d.widths for d in dashes)),
        ("target, share of the ink", f"{share:.3f}"),
    ]


def _spread(values: Iterable[np.ndarray]) -> str:
    found = np.concatenate(list(values))
    low, middle, high = np.percentile(found, (25, 50, 75)) if len(found) else [np.nan] * 3
    return f"{middle:.2f}, {low:.2f} to {high:.2f}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="of one subset")
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--videos", type=int, default=200, help="videos to read")
    flags = parser.parse_args()
    try:
        print(summarize(flags.folder, flags.split, flags.videos))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
