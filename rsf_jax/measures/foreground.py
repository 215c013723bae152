"""Measures of how well the foreground is found, if there are two classes."""

import dataclasses

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Integer

from rsf_jax.measures.losses import is_labeled
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Leaf

# Background and foreground; more classes are scored as `segmentation` does.
BINARY = 2


@flax.struct.dataclass
class ForegroundScores:
    """How well the foreground of each image is found, float32 [...] in 0..1.

    NaN for an image in which no pixel is labeled: there is nothing to score. Whatever is here is
    averaged over a split, written to results and shown in tables and reports.

    Attributes:
        iou: intersection over union. The project's "mIoU" is its mean over frames and videos.
        precision: share of the pixels called foreground that are.
        recall: share of the foreground's pixels that are called so.
        f1: harmonic mean of precision and recall.
        balanced_accuracy: mean of the recall of the foreground and that of the background.
    """

    __repr__ = in_a_line

    iou: Leaf
    precision: Leaf
    recall: Leaf
    f1: Leaf
    balanced_accuracy: Leaf


# What a split is told by besides its mIoU.
MEASURES = tuple(f.name for f in dataclasses.fields(ForegroundScores) if f.name != "iou")


def foreground_iou(
    predicted: Bool[Array, "*axes H W"],
    truth: Bool[Array, "*axes H W"],
    labeled: Bool[Array, "*axes H W"] | None = None,
) -> Float[Array, "*axes"]:
    """Intersection over union of the foreground of each image.

    The project's "mIoU" is the mean of this over frames and videos.

    Args:
        predicted: bool [..., H, W], pixels predicted as foreground.
        truth: bool [..., H, W].
        labeled: bool [..., H, W], pixels that count; all of them for None.

    Returns:
        float32 [...] in 0..1; 1 where both are empty, NaN where no pixel counts.

    Source: Wang et al. 2023, published code.
    """
    if labeled is not None:
        predicted, truth = predicted & labeled, truth & labeled
    intersection = jnp.sum(predicted & truth, axis=(-2, -1))
    union = jnp.sum(predicted | truth, axis=(-2, -1))
    iou = jnp.where(union == 0, 1.0, intersection / jnp.maximum(union, 1))
    return iou if labeled is None else jnp.where(labeled.any((-2, -1)), iou, jnp.nan)


def is_scored(labels: Integer[Array, "*axes H W"]) -> Bool[Array, "*axes H W"]:
    """Which pixels two classes are scored by: those of class 0 or 1."""
    return is_labeled(labels, BINARY)


def mean_of_labeled(scores: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Mean of the scores that are numbers; NaN where none is.

    Args:
        scores: float [...], NaN for images without a label.
        axis: over which; None for all.
    """
    counted = ~np.isnan(scores)
    total = np.where(counted, scores, 0).sum(axis)
    count = counted.sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def foreground(
    classes: Integer[Array, "*axes H W"], labels: Integer[Array, "*axes H W"]
) -> Bool[Array, "*axes H W"]:
    """Which labeled pixels are of class 1: what two classes are scored by.

    Args:
        classes: integer [..., H, W], predicted classes, or the labels themselves.
        labels: integer [..., H, W], true classes; pixels of neither class are not counted.
    """
    return (classes == 1) & is_scored(labels)


def foreground_scores(
    predicted: Bool[Array, "*axes H W"],
    truth: Bool[Array, "*axes H W"],
    labeled: Bool[Array, "*axes H W"] | None = None,
) -> ForegroundScores:
    """Returns all scores of each image; see `ForegroundScores`.

    Where there is nothing to find, finding nothing scores 1; where a share has no denominator
    otherwise, such as the precision of an empty prediction, it is 0. An image in which no pixel
    counts has no score: all are NaN.

    Args:
        predicted: bool [..., H, W], pixels predicted as foreground.
        truth: bool [..., H, W].
        labeled: bool [..., H, W], pixels that count; all of them for None.
    """
    if labeled is None:
        labeled = jnp.ones_like(truth)
    predicted, truth, background = predicted & labeled, truth & labeled, labeled & ~truth

    def count(pixels: Bool[Array, "*axes H W"]) -> Float[Array, "*axes"]:
        return jnp.sum(pixels, axis=(-2, -1), dtype=jnp.float32)

    hits, wrong, missed = (
        count(predicted & truth),
        count(predicted & background),
        count(~predicted & truth),
    )
    others = count(background)
    nothing = (hits + wrong + missed) == 0
    best = jnp.where(labeled.any((-2, -1)), 1.0, jnp.nan)

    def share(part: Float[Array, "*axes"], whole: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
        return jnp.where(nothing, best, part / jnp.maximum(whole, 1))

    recall = share(hits, hits + missed)
    specificity = jnp.where(others == 0, 1.0, (others - wrong) / jnp.maximum(others, 1))
    return ForegroundScores(
        iou=share(hits, hits + wrong + missed),
        precision=share(hits, hits + wrong),
        recall=recall,
        f1=share(2 * hits, 2 * hits + wrong + missed),
        balanced_accuracy=(recall + specificity) / 2,
    )
