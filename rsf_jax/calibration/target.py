"""What is wanted of a policy."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rsf_jax.arguments import check_inside, check_number
from rsf_jax.calibration.scored import Scored
from rsf_jax.errors import InputError
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import may_leave_out_frames

# By quantity: what the limit is called, and the guarantee in words.
_SHARES = {
    "miou_drop": ("max_miou_drop", "mIoU at most {limit:g} below the reference's"),
    "disagreement": ("max_disagreement", "disagreement with the reference at most {limit:g}"),
}


@dataclasses.dataclass(frozen=True)
class Target:
    """What is wanted: a quantity at most `limit` in the mean over videos, with `confidence`.

    Attributes:
        quantity: "miou_drop", against a reference policy on the same videos; "disagreement", with
            what a reference policy makes of them, for which no labels are needed; or "steps",
            recurrent steps per frame.
        limit: above 0.
        confidence: probability that the guarantee holds, over the draw of the calibration videos.
    """

    quantity: str
    limit: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.quantity not in (*_SHARES, "steps"):
            raise InputError(f"quantity is {self.quantity!r}: choose {', '.join(_SHARES)} or steps")
        object.__setattr__(self, "confidence", check_inside("confidence", self.confidence))
        object.__setattr__(self, "limit", self._checked_limit())

    def _checked_limit(self) -> float:
        if self.loses:
            return check_inside(_SHARES[self.quantity][0], self.limit)
        needed = "it must be above 0, and finite"
        return check_number("mean_steps", self.limit, needed, lambda x: 0 < x < float("inf"))

    def __str__(self) -> str:
        """Returns the guarantee in words."""
        return self.words("videos")

    def words(self, units: str) -> str:
        """Returns the guarantee in words.

        Args:
            units: what the mean is over, such as "streams".
        """
        _, words = _SHARES.get(self.quantity, ("", "at most {limit:g} recurrent steps per frame"))
        what = words.format(limit=self.limit)
        return f"{what}, in the mean over {units}, with confidence {self.confidence:g}"

    @property
    def level(self) -> float:
        """Probability that the guarantee fails."""
        return 1 - self.confidence

    @property
    def loses(self) -> bool:
        """Whether it bounds what is lost against a reference, and steps are what is gained."""
        return self.quantity in _SHARES

    def losses(self, scored: Scored, reference: Scored) -> np.ndarray:
        """Returns the quantity of each video, [V]."""
        return reference.quality - scored.quality if self.loses else scored.steps

    def gain(self, scored: Scored) -> float:
        """Returns what is wanted beside the target: few steps, or a high quality."""
        return float(-scored.steps.mean() if self.loses else scored.quality.mean())

    def most(self, policies: Sequence[StepPolicy]) -> float:
        """Returns the largest loss a video can have."""
        return 1.0 if self.loses else float(max(policy.max_steps for policy in policies))

    def least(self, policies: Sequence[StepPolicy]) -> float:
        """Returns the least loss that every video of a perfect candidate could have."""
        takes_steps = not any(map(may_leave_out_frames, policies))
        return 1.0 if not self.loses and takes_steps else 0.0
