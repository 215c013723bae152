"""Pictures: rows of images with the target in red, as PNG files.

Run in `datasets/`: `python -m pathfinder.pictures --config=length14 --output=images/length14.png`.
"""

from __future__ import annotations

import argparse
import pathlib

import matplotlib.image
import numpy as np
from contours.pictures import strip
from generated_videos.subset import Subset

from pathfinder.generator import image
from pathfinder.subsets import SUBSETS


def row(subset: Subset, count: int, enlarge: int) -> np.ndarray:
    """The first images of a subset side by side, uint8 [H', W', 3]."""
    examples = [image(subset.settings, subset.seed, index) for index in range(count)]
    joined = {k: np.concatenate([e[k] for e in examples]) for k in ("frames", "masks")}
    return strip(joined, enlarge)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=list(SUBSETS), action="append", help="repeat for rows")
    parser.add_argument("--count", type=int, default=4, help="images of each")
    parser.add_argument("--enlarge", type=int, default=2, help="pixels per pixel")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="picture to write")
    flags = parser.parse_args()
    names = flags.config or ["length14"]
    rows = [row(SUBSETS[name], flags.count, flags.enlarge) for name in names]
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(flags.output, np.concatenate(rows))
    print(flags.output)


if __name__ == "__main__":
    main()
