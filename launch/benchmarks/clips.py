"""Clips to try reuse on: a fixed camera, images of a folder, videos of a dataset."""

from pathlib import Path

import numpy as np
from PIL import Image

from rsf_jax.data.dataset import Dataset
from rsf_jax.errors import InputError

_FORMATS = ("PNG", "JPEG", "WEBP")
Clip = list[np.ndarray]  # float32 [1, H, W, C] each, in 0..1


def fixed_camera(
    size: tuple[int, int], share: float, *, objects: int = 1, frames: int = 6, seed: int = 0
) -> Clip:
    """Square objects that move over a still background.

    Args:
        size: height and width in pixels.
        share: of the pixels that change from frame to frame, about; 1 changes all of them.
        objects: how many, 1 in the middle, or 2 in opposite corners.
        frames: number of frames.
        seed: of background and objects.
    """
    rng = np.random.default_rng(seed)
    background = rng.random((1, *size, 3), np.float32)
    if share >= 1:
        return [rng.random((1, *size, 3), np.float32) for _ in range(frames)]
    step = max(1, round(min(size) / 40))
    # Where an object was and where it is both change.
    side = max(1, round(np.sqrt(share / objects * np.prod(size)) - step / 2))
    thing = rng.random((1, min(side, size[0]), min(side, size[1]), 3), np.float32)
    room = size[0] - thing.shape[1], size[1] - thing.shape[2]
    starts = [(room[0] // 2, room[1] // 4)] if objects == 1 else [(0, 0), (room[0], room[1] // 2)]
    clip = []
    for t in range(frames):
        frame = background.copy()
        for top, first in starts:
            left = min(first + t * step, room[1])
            frame[:, top : top + thing.shape[1], left : left + thing.shape[2]] = thing
        clip.append(frame)
    return clip


def noisy(clip: Clip, deviation: float, seed: int = 0) -> Clip:
    """A clip as a sensor gives it: with normal noise at every value, of its own in each frame.

    Args:
        clip: without noise.
        deviation: of the noise, in units of the range 0..1.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    return [x + deviation * rng.standard_normal(x.shape, np.float32) for x in clip]


def from_folder(folder: Path, count: int = 6) -> Clip:
    """The first images of a folder, in the order of their names.

    Raises:
        InputError: if there are too few that can be read.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".png", ".webp", ".jpg"))
    if len(paths) < 3:
        raise InputError(f"{folder} has {len(paths)} images (png, webp, jpg): 3 are needed")
    return [_read_image(path)[None] for path in paths[:count]]


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return np.asarray(image.convert("RGB"), np.float32) / 255
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an image") from error


def videos(dataset: Dataset, count: int = 3) -> list[Clip]:
    """The first test videos of a dataset."""
    found = [dataset.test[i]["frames"] for i in range(min(count, len(dataset.test)))]
    return [[(frame[None] / 255).astype(np.float32) for frame in frames] for frames in found]
