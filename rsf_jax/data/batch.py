"""A batch of videos: what data hand to training and to scoring."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.struct
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.measures.losses import IGNORED
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Leaf


@flax.struct.dataclass
class Batch:
    """Videos as they are stored, and how much each counts.

    Attributes:
        frames: uint8 [B, T, H, W, 1] in 0..255, or float32 in 0..1.
        masks: uint8 [B, T, H, W], class of every pixel, or `losses.IGNORED`.
        weights: float32 [B], 1 for a video and 0 for padding.
    """

    __repr__ = in_a_line

    frames: Leaf
    masks: Leaf
    weights: Leaf


def stack(videos: Sequence[Mapping[str, Any]]) -> Batch:
    """Returns a batch of videos of one size, each with `frames` and `masks`."""
    return Batch(
        np.stack([video["frames"] for video in videos]),
        np.stack([video["masks"] for video in videos]),
        np.ones(len(videos), np.float32),
    )


def check_labels(batch: Batch, classes: int) -> None:
    """Raises InputError if masks have a class that a model of so many has not."""
    masks = np.asarray(batch.masks)
    unknown = (masks >= classes) & (masks != IGNORED)
    if unknown.any():
        raise InputError(
            f"masks have class {masks[unknown].max()}, the model has classes 0 to {classes - 1}: "
            f"give it videos of its own classes, with {IGNORED} where there is none"
        )


def pad_batch(batch: Batch, size: int) -> Batch:
    """Appends black videos of zero weight up to `size` videos."""
    missing = size - len(batch.weights)
    if missing == 0:
        return batch

    def pad(x: np.ndarray) -> np.ndarray:
        return np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))

    return Batch(pad(batch.frames), pad(batch.masks), pad(batch.weights))
