"""Step policies: how many recurrent steps a frame gets.

A policy knows nothing of cells. It is handed a function `step: carry -> carry` and decides how
often to apply it; `unroll.py` runs it over frames.
"""

from rsf_jax.policies.base import (
    Begun,
    Recurrence,
    StepPolicy,
    Stepwise,
    StepwisePolicy,
    Unrolled,
)
from rsf_jax.policies.halting import METRICS, NEVER, DistanceHalting
from rsf_jax.policies.names import GRAMMAR, file_suffix, parse_policy
from rsf_jax.policies.schedule import FixedSchedule

__all__ = [
    "GRAMMAR",
    "METRICS",
    "NEVER",
    "Begun",
    "DistanceHalting",
    "FixedSchedule",
    "Recurrence",
    "StepPolicy",
    "Stepwise",
    "StepwisePolicy",
    "Unrolled",
    "file_suffix",
    "parse_policy",
]
