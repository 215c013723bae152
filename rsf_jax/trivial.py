"""Predictors without a network: what a score has to be compared with."""

from collections.abc import Iterable

import numpy as np

from rsf_jax.metrics import foreground_iou
from rsf_jax.training.step import Batch

# Stored grey value above which a pixel counts as ink, of 255. Source: published code.
INK_LEVEL = 0.2 * 255


def trivial_scores(batches: Iterable[Batch]) -> dict[str, float]:
    """Returns the mIoU of two trivial predictors.

    `all_ink` calls every drawn pixel foreground; `first_target_kept` repeats the first frame's true
    mask on every frame, which needs the truth, and so bounds what can be had without looking at
    later frames.
    """
    ink, kept = [], []
    for batch in batches:
        truth = batch.masks > 0
        ink.append(foreground_iou(batch.frames[..., 0] > INK_LEVEL, truth))
        kept.append(foreground_iou(np.broadcast_to(truth[:, :1], truth.shape), truth))
    return {
        "all_ink": float(np.concatenate(ink).mean()),
        "first_target_kept": float(np.concatenate(kept).mean()),
    }
