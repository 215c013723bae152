"""Who says how good a policy is: the labels, or a reference."""

from rsf_jax.calibration.kinds import CLIPS, VIDEOS
from rsf_jax.calibration.scored import (
    LABELS,
    REFERENCE,
    VideoScorer,
    agreement_scorer,
    label_scorer,
)
from rsf_jax.calibration.target import Target
from rsf_jax.policies import StepPolicy
from rsf_jax.trained.model import Trained


def judged_by(target: Target, kind: str) -> str:
    """Returns "labels" or "reference".

    A disagreement is with the reference; a drop of the mIoU needs labels; and the best policy
    within a budget of steps is the best by labels where there are some, which clips are without.

    Args:
        target: what is wanted.
        kind: of the units.
    """
    if target.quantity == "miou_drop":
        return LABELS
    return REFERENCE if target.quantity == "disagreement" or kind == CLIPS else LABELS


def scorer_for(trained: Trained, target: Target, kind: str, reference: StepPolicy) -> VideoScorer:
    """Returns what scores the units of a calibration.

    Args:
        trained: the model.
        target: what is wanted.
        kind: of the units.
        reference: the policy that judges where labels do not.
    """
    if judged_by(target, kind) == REFERENCE:
        return agreement_scorer(trained, reference)
    return label_scorer(trained, by_frame=kind != VIDEOS)
