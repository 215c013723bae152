"""Pictures: images, or the frames of videos, with the target in red, as PNG files.

Run in `datasets/`: `python -m mazes.pictures --config=temporal12 --videos=0,1,2`.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from contours.pictures import strip
from generated_videos.subset import Subset

from mazes.generator import video
from mazes.subsets import SUBSETS


def rows(subset: Subset, indices: list[int], enlarge: int) -> list[np.ndarray]:
    """A row for each video, or one of all images: uint8 [H', W', 3]."""
    made = [video(subset.settings, subset.seed, index) for index in indices]
    if subset.settings.happening is None:
        made = [{k: np.concatenate([each[k] for each in made]) for k in ("frames", "masks")}]
    return [strip(each, enlarge) for each in made]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=list(SUBSETS), action="append", help="repeat for rows")
    parser.add_argument("--videos", default="0,1,2", help="indices, separated by commas")
    parser.add_argument("--enlarge", type=int, default=2, help="pixels per pixel")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="picture to write")
    flags = parser.parse_args()
    indices = [int(index) for index in flags.videos.split(",")]
    names = flags.config or ["temporal12"]
    import matplotlib.image  # heavy, and needed here alone

    strips = [row for name in names for row in rows(SUBSETS[name], indices, flags.enlarge)]
    width = max(row.shape[1] for row in strips)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in strips]
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(flags.output, np.concatenate(padded))
    print(flags.output)


if __name__ == "__main__":
    main()
