"""Scores of a batch of videos: a pure function, on one device or under `pmap`."""

import flax.struct
import jax.numpy as jnp

from rsf_jax.data.batch import Batch
from rsf_jax.measures.foreground import BINARY, foreground, foreground_scores
from rsf_jax.measures.losses import FOCAL, Objective, is_labeled
from rsf_jax.measures.segmentation import confusion_matrix, flicker
from rsf_jax.models.base import Prepared, VideoModel
from rsf_jax.policies import StepPolicy
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Leaf
from rsf_jax.unroll import run_video


@flax.struct.dataclass
class Scores:
    """Scores of each video of a batch.

    Attributes:
        loss: float32 [B], mean over the frames that have labels; NaN if none has.
        steps: int32 [B, T], recurrent steps spent.
        foreground: float32 [B, T] each, how well the foreground of every frame is found, NaN for
            one without a label; None if there are more classes than two.
        confusion: int32 [B, T, K, K], pixels by true and predicted class; None for two classes.
        flicker: int32 [B, 2], of the pixels that keep their true class from frame to frame those
            whose predicted class changes, and all of them; None for two classes.
    """

    __repr__ = in_a_line

    loss: Leaf
    steps: Leaf
    foreground: Leaf = None
    confusion: Leaf = None
    flicker: Leaf = None


def score_batch(
    model: VideoModel,
    prepared: Prepared,
    batch: Batch,
    policy: StepPolicy,
    *,
    stateful: bool = True,
    objective: Objective = FOCAL,
) -> Scores:
    """Runs a model over a batch and scores every video; weights are left to the caller."""
    out = run_video(model, prepared, batch.frames, policy, stateful=stateful)
    labels = batch.masks.astype(jnp.int32)
    # A frame without a label, which another video counts, has no loss.
    classes = out.logits.shape[-1]
    labeled = is_labeled(labels, classes)
    counts = labeled.any((-2, -1)).sum(1)
    losses = objective(out.logits, labels).sum(1) / jnp.where(counts > 0, counts, jnp.nan)
    predicted = out.logits.argmax(-1)
    if classes == BINARY:
        found, truth = foreground(predicted, labels), foreground(labels, labels)
        return Scores(losses, out.steps, foreground_scores(found, truth, labeled))
    return Scores(
        losses,
        out.steps,
        confusion=confusion_matrix(predicted, labels, classes),
        flicker=jnp.stack(flicker(predicted, labels, classes), -1),
    )
