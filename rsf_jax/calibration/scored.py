"""What is measured of a policy: how good every video is, by its labels or by a reference."""

import dataclasses
from collections.abc import Callable

import grain
import numpy as np

from rsf_jax.calibration.relabeled import relabeled
from rsf_jax.errors import InputError
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.measures.segmentation import mean_iou
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.scoring.batch_scores import Scores
from rsf_jax.scoring.frames import MOST_BYTES, classify_batch, score_batch_by_frame
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained

LABELS, REFERENCE = "labels", "reference"


@dataclasses.dataclass(frozen=True)
class Scored:
    """Quality and mean recurrent steps per frame of every video that can be judged, [V] each.

    Quality is in 0..1 and of one video alone, which is all that the test of a mean over videos
    needs.

    By labels it is the mIoU: of the foreground, the mean over frames; with several classes the mean
    over those that occur in the video or its prediction, of the pixels of all its frames. The mIoU
    of a test with several classes is another one, that of the pixels of all videos together. Of
    streams it is the mean over frames of the image's mIoU, as it is in `evaluation.live`.

    By a reference it is the agreement: the mean over frames of the image's mIoU, if what the
    reference makes of the frame is taken for its label. 1 less that is the disagreement.
    """

    __repr__ = in_a_line

    quality: np.ndarray
    steps: np.ndarray


VideoScorer = Callable[[StepPolicy, grain.MapDataset], Scored]


def label_scorer(trained: Trained, *, by_frame: bool = False) -> VideoScorer:
    """Returns a function that scores every video of a split that has labels under a policy.

    Args:
        trained: the model.
        by_frame: score frames, not videos, and in memory that does not grow with their number.
    """
    score = trained.over_split(score_batch_by_frame, MOST_BYTES) if by_frame else trained.scorer()

    def scored(policy: StepPolicy, split: grain.MapDataset) -> Scored:
        scores = score(split, policy)
        quality = mean_of_labeled(np.asarray(scores.iou), 1) if by_frame else _miou(scores)
        labeled = ~np.isnan(quality)
        if not labeled.any():
            raise InputError(
                "none of these videos has a label: no loss of mIoU can be measured; a disagreement "
                "needs none"
            )
        return Scored(quality[labeled], scores.steps.mean(1)[labeled])

    return scored


def agreement_scorer(trained: Trained, reference: StepPolicy) -> VideoScorer:
    """Returns a function that scores every video by what a reference makes of it.

    A reference is run once over each split; its classes are kept, a byte a pixel.
    """
    classify = trained.over_split(classify_batch, MOST_BYTES)
    score = label_scorer(trained, by_frame=True)
    # By identity, with the split, or another one might get its number.
    known: dict[int, tuple[grain.MapDataset, grain.MapDataset, Scored]] = {}

    def scored(policy: StepPolicy, split: grain.MapDataset) -> Scored:
        if id(split) not in known:
            classes, steps = classify(split, reference)
            own = Scored(np.ones(len(split)), steps.mean(1))
            known[id(split)] = split, relabeled(split, classes), own
        _, judged, own = known[id(split)]
        return own if policy_name(policy) == policy_name(reference) else score(policy, judged)

    return scored


def _miou(scores: Scores) -> np.ndarray:
    """Returns the mIoU of every video, [V], NaN without labels; see `Scored`."""
    if scores.foreground is not None:
        return mean_of_labeled(np.asarray(scores.foreground.iou), 1)
    return np.asarray(mean_iou(np.asarray(scores.confusion, np.int32).sum(1)))
