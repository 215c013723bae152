"""Measures of segmentation into K classes; pixels of no class count nowhere."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64, Int, Int32, Integer, Num

from rsf_jax.errors import InputError
from rsf_jax.measures.losses import IGNORED, is_labeled
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array


@dataclasses.dataclass(frozen=True)
class SegmentationScores:
    """How well the pixels of a split are classified, in 0..1.

    Whatever is here is written to results; single numbers are shown in tables and reports.

    Attributes:
        iou: float64 [K], intersection over union of each class; NaN for a class that occurs in
            neither truth nor prediction.
        miou: mean IoU of the classes that occur in truth or prediction.
        accuracy: share of all pixels that are classified rightly.
        class_accuracy: mean recall of the classes that occur in the truth.
    """

    __repr__ = in_a_line

    iou: Float64[np.ndarray, " K"]
    miou: float
    accuracy: float
    class_accuracy: float


def confusion_matrix(
    predicted: Integer[Array, "*axes H W"], truth: Integer[Array, "*axes H W"], classes: int
) -> Int32[jax.Array, "*axes K K"]:
    """Counts the pixels of each image by true and predicted class.

    A split may have more pixels than int32 can count: its matrix is the sum of these in int64, in
    NumPy.

    Args:
        predicted: integer [..., H, W], class indices in 0..K-1; other pixels are not counted.
        truth: integer [..., H, W], likewise, as those labeled `IGNORED`.
        classes: K, at most 255.

    Returns:
        int32 [..., K, K], pixels; rows are true classes, columns predicted ones.

    Raises:
        InputError: if there are more classes than labels can name.
    """
    if not 1 <= classes <= IGNORED:
        raise InputError(f"{classes} classes: 1 to {IGNORED} are possible, {IGNORED} is no class")
    *axes, height, width = truth.shape
    cells = truth.astype(jnp.int32) * classes + predicted.astype(jnp.int32)
    # Past the last cell, where nothing is counted.
    counts = is_labeled(truth, classes) & is_labeled(predicted, classes)
    cells = jnp.where(counts, cells, classes**2).reshape(-1, height * width)

    def count(image: Int32[jax.Array, " HW"]) -> Int32[jax.Array, " KK"]:
        return jnp.zeros(classes**2, jnp.int32).at[image].add(1, mode="drop")

    return jax.vmap(count)(cells).reshape(*axes, classes, classes)


def mean_iou(matrix: Int[Array, "*axes K K"]) -> Float[jax.Array, "*axes"]:
    """Mean IoU of each image, over the classes that occur in its truth or prediction.

    For watching training; the mIoU of a split is that of its summed matrix, see `scores`.

    Args:
        matrix: int32 [..., K, K], as `confusion_matrix` returns it.

    Returns:
        float32 [...] in 0..1; NaN for an image without a label, in which there is nothing to score.
    """
    hits = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    union = jnp.sum(matrix, -1) + jnp.sum(matrix, -2) - hits
    occurring = (union > 0).sum(-1)
    total = (hits / jnp.maximum(union, 1)).sum(-1)
    return jnp.where(occurring > 0, total / jnp.maximum(occurring, 1), jnp.nan)


def scores(matrix: np.ndarray) -> SegmentationScores:
    """Returns the scores of a whole split.

    `iou = hits / (hits + wrong + missed)` of each class, over the pixels of all images together,
    as is usual for semantic segmentation, and not a mean over images.

    Args:
        matrix: int64 or float64 [K, K], pixels by true (rows) and predicted class (columns),
            summed over the split.

    Returns:
        The scores; NaN where there is nothing to take a mean over.

    Raises:
        InputError: if the matrix is not square.

    Source: Long et al. 2015, section 5.
    """
    check_square(matrix)
    counts = matrix.astype(np.float64)
    hits, truth, predicted = np.diagonal(counts), counts.sum(1), counts.sum(0)
    iou = _share(hits, truth + predicted - hits)
    return SegmentationScores(
        iou=iou,
        miou=_mean(iou),
        accuracy=float(_share(hits.sum(), truth.sum())),
        class_accuracy=_mean(_share(hits, truth)),
    )


def check_square(matrix: np.ndarray) -> None:
    """Raises InputError unless a confusion matrix is [K, K]."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"the confusion matrix has shape {list(matrix.shape)}: [K, K] is needed; sum those of "
            "the images"
        )


def flicker(
    predicted: Integer[Array, "*axes T H W"],
    truth: Integer[Array, "*axes T H W"],
    classes: int = IGNORED,
) -> tuple[Int32[jax.Array, "*axes"], Int32[jax.Array, "*axes"]]:
    """Counts how often pixels that stay what they are change their predicted class.

    A pixel counts, once for every pair of consecutive frames, if it has the same true class in
    both. `changed / counted`, each summed over videos, says how often unchanged pixels change
    class. It says nothing about being right: a constant prediction never flickers.

    Args:
        predicted: integer [..., T, H, W], class indices; pairs with another are not counted.
        truth: integer [..., T, H, W], likewise, as those labeled `IGNORED`.
        classes: K; without it all but negative indices and those from `IGNORED` on are of a class.

    Returns:
        changed: int32 [...], pairs of pixels whose predicted class differs.
        counted: int32 [...], all pairs of pixels with the same true class.
    """
    before, after = truth[..., :-1, :, :], truth[..., 1:, :, :]
    known = is_labeled(predicted, classes)
    counted = (before == after) & is_labeled(after, classes)
    counted = counted & known[..., :-1, :, :] & known[..., 1:, :, :]
    changed = counted & (predicted[..., :-1, :, :] != predicted[..., 1:, :, :])
    axes = (-3, -2, -1)
    return jnp.sum(changed, axes, dtype=jnp.int32), jnp.sum(counted, axes, dtype=jnp.int32)


def balanced_weights(counts: Num[np.ndarray, " K"], power: float) -> Float64[np.ndarray, " K"]:
    """Weights that make the classes of a loss count more alike.

    `w_k = c (median(f) / f_k)^power`, `f_k` the share of class k among the labeled pixels and `c`
    such that the mean weight of a pixel, `sum_k f_k w_k`, is 1: the loss keeps its scale. The
    median is then a factor like any other and cancels.

    Args:
        counts: integer [K], labeled pixels of each class.
        power: 1 for median-frequency balancing, after which all classes count the same in total;
            0 for weights of 1; in between for a compromise, which spares rare classes huge weights.

    Returns:
        float64 [K]. A class without pixels gets 1, the weight of the average pixel: training never
        uses it, and elsewhere a class that was never seen should not decide the loss.

    Raises:
        InputError: if no class has pixels.

    Source: Eigen & Fergus 2015. They divide the pixels of a class by those of the images it occurs
        in, here it is by those of all images; the exponent is not theirs.
    """
    total = counts.sum()
    if total == 0:
        raise InputError("no pixel belongs to a class: there is nothing to balance")
    present = counts > 0
    share = counts[present] / total
    rarity = share**-power
    weights = np.ones(counts.shape)
    weights[present] = rarity / (share * rarity).sum()
    return weights


def _share(part: Any, whole: Any) -> np.ndarray:
    """Quotients, NaN where the whole is empty."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    """Mean of what is not NaN, without NumPy's warning where all is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
