"""Random changes of whole training videos: every frame of a video is changed alike."""

from typing import Any

import numpy as np
from PIL import Image

from rsf_jax.config.config import Config

Example = dict[str, Any]
# Red, green and blue of a gray level, as the eye weighs them. Source: ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def augment(video: Example, rng: np.random.Generator, config: Config) -> Example:
    """Flips, enlarges and recolors a video.

    Args:
        video: `frames` uint8 [T, H, W, C] and `masks` uint8 [T, H, W]; what else there is, such as
            `events`, stays as it is.
        rng: of this video in this epoch.
        config: uses `flip_vertical`, `zoom` and `color_jitter`.
    """
    video = _flip(video, rng, config.flip_vertical)
    if config.zoom > 1:
        video = _zoom(video, rng, config.zoom)
    if config.color_jitter > 0:
        video = video | {"frames": _recolor(video["frames"], rng, config.color_jitter)}
    return video


def _flip(video: Example, rng: np.random.Generator, flips_vertically: bool) -> Example:
    """One of four flip states, or of two. Source: published code."""
    vertical, horizontal = rng.integers(2, size=2)
    vertical *= flips_vertically
    rows, columns = slice(None, None, 1 - 2 * vertical), slice(None, None, 1 - 2 * horizontal)
    return video | {name: video[name][:, rows, columns] for name in ("frames", "masks")}


def _zoom(video: Example, rng: np.random.Generator, most: float) -> Example:
    """Shows a random part of every frame, in the size of the whole."""
    height, width = video["masks"].shape[1:]
    factor = np.exp(rng.uniform(0, np.log(most)))
    part = width / factor, height / factor
    left, top = (rng.uniform(0, whole - kept) for whole, kept in zip((width, height), part))
    box = left, top, left + part[0], top + part[1]

    def resize(plane: np.ndarray, how: Image.Resampling) -> np.ndarray:
        return np.asarray(Image.fromarray(plane).resize((width, height), how, box))

    # Channel by channel: Pillow takes a second or a fourth one for transparency.
    frames = np.empty_like(video["frames"])
    for t, channel in np.ndindex(len(frames), frames.shape[-1]):
        frames[t, ..., channel] = resize(
            video["frames"][t, ..., channel], Image.Resampling.BILINEAR
        )
    # Classes have no mean.
    masks = np.stack([resize(mask, Image.Resampling.NEAREST) for mask in video["masks"]])
    return video | {"frames": frames, "masks": masks}


def _recolor(frames: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Changes contrast, saturation and brightness by factors within 1 +- share."""
    contrast, saturation, brightness = rng.uniform(1 - share, 1 + share, 3).astype(np.float32)
    x = frames.astype(np.float32)
    if frames.shape[-1] == len(_LUMA):
        gray = (x @ _LUMA)[..., None]
        x = gray + saturation * (x - gray)
    mean = x.mean()
    x = brightness * (mean + contrast * (x - mean))
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)
