"""Predictors without a network: what a score has to be compared with."""

from collections.abc import Iterable, Mapping

import grain
import numpy as np

from rsf_jax.data.batch import Batch
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.measures.foreground import (
    BINARY,
    foreground,
    foreground_iou,
    is_scored,
    mean_of_labeled,
)
from rsf_jax.measures.losses import IGNORED
from rsf_jax.measures.segmentation import scores
from rsf_jax.typing import Array

# Stored gray value above which a pixel counts as ink, of 255. Source: published code.
INK_LEVEL = 0.2 * 255
_TOLD_THE_TRUTH = "first_target_kept"


def baseline(scores_by_name: Mapping[str, float | None]) -> tuple[str, float] | None:
    """Returns the best predictor that is not told a truth, in words, with its mIoU; None for none.

    Args:
        scores_by_name: as `score_trivial` returns them; None where nothing is labeled.
    """
    known = {
        name.replace("_", " "): score
        for name, score in scores_by_name.items()
        if score is not None and name != _TOLD_THE_TRUTH
    }
    return max(known.items(), key=lambda found: found[1], default=None)


def score_trivial(videos: grain.MapDataset, classes: int, batch_size: int) -> dict[str, float]:
    """Returns the mIoU of trivial predictors on a split, by name.

    Args:
        videos: the split.
        classes: K; of more than two the most frequent class is the one predictor.
        batch_size: videos read together.
    """
    batches = evaluation_batches(videos, batch_size)
    if classes == BINARY:
        return trivial_scores(batches)
    pixels = np.zeros(IGNORED + 1, np.int64)
    for batch in batches:
        pixels += np.bincount(batch.masks.ravel(), minlength=IGNORED + 1)
    matrix = np.zeros((classes, classes))
    matrix[:, pixels[:classes].argmax()] = pixels[:classes]
    return {"most_frequent_class": scores(matrix).miou}


def trivial_scores(batches: Iterable[Batch]) -> dict[str, float]:
    """Returns the mIoU of trivial predictors; NaN if no frame has a label.

    `all_ink` calls every drawn pixel of gray frames foreground; `first_target_kept` repeats the
    true mask of the first frame that has a label on every frame, which needs the truth, and so
    bounds what can be had without looking at later frames.
    """
    found: dict[str, list[Array]] = {}
    for batch in batches:
        labels, shape = batch.masks, batch.masks.shape
        labeled = is_scored(labels)
        first = labeled.any((-2, -1)).argmax(1)
        kept = labels[np.arange(len(labels)), first][:, None]
        guesses = {_TOLD_THE_TRUTH: np.broadcast_to(kept, shape)}
        if batch.frames.shape[-1] == 1:
            guesses["all_ink"] = (batch.frames[..., 0] > INK_LEVEL).astype(labels.dtype)
        truth = foreground(labels, labels)
        for name, guess in guesses.items():
            iou = foreground_iou(foreground(guess, labels), truth, labeled)
            found.setdefault(name, []).append(iou)
    return {name: float(mean_of_labeled(np.concatenate(found[name]))) for name in sorted(found)}
