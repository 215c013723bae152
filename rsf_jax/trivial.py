"""Predictors without a network: what a score has to be compared with."""

from collections.abc import Iterable

import numpy as np

from rsf_jax.metrics import foreground, foreground_iou
from rsf_jax.training.step import Batch
from rsf_jax.typing import Array

# Stored grey value above which a pixel counts as ink, of 255. Source: published code.
INK_LEVEL = 0.2 * 255


def trivial_scores(batches: Iterable[Batch]) -> dict[str, float]:
    """Returns the mIoU of trivial predictors.

    `all_ink` calls every drawn pixel of grey frames foreground; `first_target_kept` repeats the
    first frame's true mask on every frame, which needs the truth, and so bounds what can be had
    without looking at later frames.
    """
    found: dict[str, list[Array]] = {}
    for batch in batches:
        labels, shape = batch.masks, batch.masks.shape
        guesses = {"first_target_kept": np.broadcast_to(labels[:, :1], shape)}
        if batch.frames.shape[-1] == 1:
            guesses["all_ink"] = (batch.frames[..., 0] > INK_LEVEL).astype(labels.dtype)
        truth = foreground(labels, labels)
        for name, guess in guesses.items():
            iou = foreground_iou(foreground(guess, labels), truth)
            found.setdefault(name, []).append(iou)
    return {name: float(np.concatenate(found[name]).mean()) for name in sorted(found)}
