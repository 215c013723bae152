"""Predictors without a network: what a score has to be compared with."""

from collections.abc import Iterable

import numpy as np

from rsf_jax.data.batch import Batch
from rsf_jax.measures.foreground import foreground, foreground_iou, is_scored, mean_of_labeled
from rsf_jax.typing import Array

# Stored gray value above which a pixel counts as ink, of 255. Source: published code.
INK_LEVEL = 0.2 * 255


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
        guesses = {"first_target_kept": np.broadcast_to(kept, shape)}
        if batch.frames.shape[-1] == 1:
            guesses["all_ink"] = (batch.frames[..., 0] > INK_LEVEL).astype(labels.dtype)
        truth = foreground(labels, labels)
        for name, guess in guesses.items():
            iou = foreground_iou(foreground(guess, labels), truth, labeled)
            found.setdefault(name, []).append(iou)
    return {name: float(mean_of_labeled(np.concatenate(found[name]))) for name in sorted(found)}
