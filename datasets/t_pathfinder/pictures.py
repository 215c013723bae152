"""Pictures: strips of frames with the target in red, as PNG files.

Run in `datasets/`: `python -m t_pathfinder.pictures --config=hard --videos=0,1,2`.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from contours.pictures import strip
from generated_videos.subset import Subset

from t_pathfinder.generator import video
from t_pathfinder.subsets import SUBSETS


def write(subset: Subset, indices: list[int], enlarge: int, path: pathlib.Path) -> None:
    """Writes the strips of several videos, one above the other."""
    import matplotlib.image  # heavy, and needed here alone

    rows = [strip(video(subset.settings, subset.seed, index), enlarge) for index in indices]
    path.parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(path, np.concatenate(rows))
    print(f"{path}: videos {indices}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=sorted(SUBSETS), default="hard")
    parser.add_argument("--videos", default="0,1,2", help="indices, separated by commas")
    parser.add_argument("--enlarge", type=int, default=2, help="pixels per pixel")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("t_pathfinder/images"))
    flags = parser.parse_args()
    indices = [int(index) for index in flags.videos.split(",")]
    write(SUBSETS[flags.config], indices, flags.enlarge, flags.output / f"{flags.config}.png")


if __name__ == "__main__":
    main()
