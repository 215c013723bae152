"""The subsets of mazes: images, videos and streams of several sizes."""

from __future__ import annotations

from generated_videos.subset import Subset

from mazes.settings import Chances, Growth, Happening, Settings

VIDEO, LONG = 12, 60  # frames

# By cells of a row. In images half of the cells are connected with the source, more or less. Videos
# begin with less, because gates open, and have more parts, which they can open to.
_IMAGES = {
    4: Growth(4, trees=(2, 2), pockets=0, lights=1),
    7: Growth(7, trees=(2, 4), pockets=1, lights=2),
    12: Growth(12, trees=(2, 4)),
    16: Growth(16, trees=(2, 5), pockets=5),
    20: Growth(20, trees=(2, 6), pockets=8),
}
_VIDEOS = {
    12: Growth(12, trees=(4, 7), connected=(0.15, 0.5), pockets=5),
    16: Growth(16, trees=(4, 9), connected=(0.15, 0.5), pockets=9),
    20: Growth(20, trees=(4, 11), connected=(0.15, 0.5), pockets=14),
}
_JOINED = {12: 60, 16: 105, 20: 165}  # the same share of the cells
_PLAIN = Chances()
_HARD = Chances(nothing=0.55, near=0.08, far=0.1, decoy=0.12, cut=0.05, loss=0.1)


def _size(side: int) -> str:
    return f"{side}x{side} cells, {3 * side}x{3 * side} pixels"


def _images(side: int, seed: int, train: int, validation: int) -> Subset:
    return Subset(
        Settings(_IMAGES[side]),
        seed,
        train_videos=train,
        test_videos=1000,
        calibration_videos=1000,
        validation_videos=validation,
        description=f"Images: {_size(side)}.",
    )


def _videos(
    side: int, seed: int, train: int, test: int, frames: int = VIDEO, chances: Chances = _PLAIN
) -> Subset:
    happening = Happening(frames, chances, joined=_JOINED[side])
    said = "Gates open" if not chances.loss else "Gates open and close"
    return Subset(
        Settings(_VIDEOS[side], happening),
        seed,
        train_videos=train,
        test_videos=test,
        calibration_videos=test,
        validation_videos=test // 2,
        description=f"Videos of {frames} frames: {_size(side)}. {said}.",
    )


# Seeds differ from each other and from those of all other datasets.
SUBSETS = {
    "static4": _images(4, seed=51, train=20000, validation=500),
    "static7": _images(7, seed=31, train=20000, validation=500),
    "static12": _images(12, seed=32, train=20000, validation=500),
    "static16": _images(16, seed=33, train=100, validation=100),
    "static20": _images(20, seed=34, train=100, validation=100),
    "temporal12": _videos(12, seed=35, train=10000, test=1000),
    "temporal16": _videos(16, seed=36, train=100, test=500),
    "temporal20": _videos(20, seed=37, train=100, test=500),
    "hard12": _videos(12, seed=38, train=10000, test=1000, chances=_HARD),
    "temporal12_long": _videos(12, seed=39, train=100, test=200, frames=LONG),
    "hard12_long": _videos(12, seed=40, train=100, test=200, frames=LONG, chances=_HARD),
}
