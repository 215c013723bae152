"""What is wanted of a policy, and what is measured for it."""

import dataclasses
from collections.abc import Callable, Sequence

import grain
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.measures.segmentation import mean_iou
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import may_leave_out_frames
from rsf_jax.scoring.batch_scores import Scores
from rsf_jax.trained.model import Trained


@dataclasses.dataclass(frozen=True)
class Scored:
    """mIoU and mean recurrent steps per frame of every video that has labels, [V] each.

    mIoU is that of the foreground, the mean over frames; with several classes the mean over those
    that occur in the video or its prediction, of the pixels of all its frames. Both are in 0..1 and
    of one video alone, which is all that the test of a mean over videos needs. The mIoU of a test
    with several classes is another one, that of the pixels of all videos together.
    """

    miou: np.ndarray
    steps: np.ndarray


@dataclasses.dataclass(frozen=True)
class Target:
    """What is wanted: a quantity at most `limit` in the mean over videos, with `confidence`.

    Attributes:
        quantity: "miou_drop", against a reference policy on the same videos, or "steps", recurrent
            steps per frame.
        limit: above 0.
        confidence: probability that the guarantee holds, over the draw of the calibration videos.
    """

    quantity: str
    limit: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.quantity not in ("miou_drop", "steps"):
            raise InputError(f"quantity is {self.quantity!r}: choose miou_drop or steps")
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence is {self.confidence}: it must be between 0 and 1")
        if self.quantity == "miou_drop" and not 0 < self.limit < 1:
            raise InputError(f"max_miou_drop is {self.limit}: it must be between 0 and 1")
        if self.quantity == "steps" and not 0 < self.limit < float("inf"):
            raise InputError(f"mean_steps is {self.limit}: it must be above 0")

    def __str__(self) -> str:
        """Returns the guarantee in words."""
        drop = f"mIoU at most {self.limit:g} below the reference's"
        steps = f"at most {self.limit:g} recurrent steps per frame"
        what = drop if self.quantity == "miou_drop" else steps
        return f"{what}, in the mean over videos, with confidence {self.confidence:g}"

    @property
    def level(self) -> float:
        """Probability that the guarantee fails."""
        return 1 - self.confidence

    def losses(self, scored: Scored, reference: Scored) -> np.ndarray:
        """Returns the quantity of each video, [V]."""
        drops = self.quantity == "miou_drop"
        return reference.miou - scored.miou if drops else scored.steps

    def gain(self, scored: Scored) -> float:
        """Returns what is wanted beside the target: few steps, or a high mIoU."""
        return float(-scored.steps.mean() if self.quantity == "miou_drop" else scored.miou.mean())

    def most(self, policies: Sequence[StepPolicy]) -> float:
        """Returns the largest loss a video can have."""
        steps = max(policy.max_steps for policy in policies)
        return 1.0 if self.quantity == "miou_drop" else float(steps)

    def least(self, policies: Sequence[StepPolicy]) -> float:
        """Returns the least loss that every video of a perfect candidate could have."""
        takes_steps = not any(map(may_leave_out_frames, policies))
        return 1.0 if self.quantity == "steps" and takes_steps else 0.0


VideoScorer = Callable[[StepPolicy, grain.MapDataset], Scored]


def video_scorer(trained: Trained) -> VideoScorer:
    """Returns a function that scores every video of a split that has labels under a policy."""
    score = trained.scorer()

    def scored(policy: StepPolicy, split: grain.MapDataset) -> Scored:
        scores = score(split, policy)
        miou = _miou(scores)
        labeled = ~np.isnan(miou)
        if not labeled.any():
            raise InputError("none of these videos has a label: no loss of mIoU can be measured")
        return Scored(miou[labeled], scores.steps.mean(1)[labeled])

    return scored


def _miou(scores: Scores) -> np.ndarray:
    """Returns the mIoU of every video, [V], NaN without labels; see `Scored`."""
    if scores.foreground is not None:
        return mean_of_labeled(np.asarray(scores.foreground.iou), 1)
    return np.asarray(mean_iou(np.asarray(scores.confusion, np.int32).sum(1)))
