"""Step policies: how many recurrent steps a frame gets.

A policy knows nothing of cells. It is handed a function `step: carry -> carry` and decides how
often to apply it; `unroll.py` runs it over frames.
"""

from rsf_jax.policies.act import ActHalting
from rsf_jax.policies.anderson import Anderson
from rsf_jax.policies.base import (
    Begun,
    Recurrence,
    StepPolicy,
    Stepwise,
    StepwisePolicy,
    Unrolled,
)
from rsf_jax.policies.gate import ChangeGate
from rsf_jax.policies.halting import METRICS, NEVER, DistanceHalting
from rsf_jax.policies.names import GRAMMAR, file_suffix, parse_policy, policy_name, renamed
from rsf_jax.policies.ponder import PonderHalting
from rsf_jax.policies.readout import ReadoutHalting
from rsf_jax.policies.refresh import Refresh
from rsf_jax.policies.registered import POLICIES, register_metric, register_policy
from rsf_jax.policies.schedule import FixedSchedule
from rsf_jax.policies.specs import (
    Spec,
    check_registered,
    entry,
    from_spec,
    read_policy,
    renewed,
    spec_of,
    to_spec,
)
from rsf_jax.policies.steering import Steered, SteeringPolicy
from rsf_jax.policies.wrapper import Wrapper

__all__ = [
    "GRAMMAR",
    "METRICS",
    "NEVER",
    "POLICIES",
    "ActHalting",
    "Anderson",
    "Begun",
    "ChangeGate",
    "DistanceHalting",
    "FixedSchedule",
    "PonderHalting",
    "ReadoutHalting",
    "Recurrence",
    "Refresh",
    "Spec",
    "Steered",
    "SteeringPolicy",
    "StepPolicy",
    "Stepwise",
    "StepwisePolicy",
    "Unrolled",
    "Wrapper",
    "check_registered",
    "entry",
    "file_suffix",
    "from_spec",
    "parse_policy",
    "policy_name",
    "read_policy",
    "register_metric",
    "register_policy",
    "renamed",
    "renewed",
    "spec_of",
    "to_spec",
]
