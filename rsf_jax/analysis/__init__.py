"""What hidden states do: between frames, between steps, and in the long run.

`changes` compares consecutive frames, `movement` consecutive recurrent steps, `trajectory` projects
the whole path of a video onto a plane, `reaction_time` follows how sure the readout is; `figures`
draws, `report` does all of it for a trained model.
"""

from rsf_jax.analysis.changes import (
    Changes,
    Correlation,
    StepsByChange,
    correlate,
    measure_changes,
    steps_by_change,
)
from rsf_jax.analysis.movement import (
    BEHAVIORS,
    DistanceRatios,
    LongRun,
    classify,
    distance_ratios,
    follow_frame,
    long_run,
    relative_movement,
    step_distances,
)
from rsf_jax.analysis.reaction_time import (
    Reactions,
    ReactionTimes,
    UncertaintyCurves,
    reaction_times,
    uncertainty,
    uncertainty_curves,
    uncertainty_of,
    within,
)
from rsf_jax.analysis.report import analyze
from rsf_jax.analysis.table import print_analysis
from rsf_jax.analysis.trajectory import Trajectory, project_trajectory

__all__ = [
    "BEHAVIORS",
    "Changes",
    "Correlation",
    "DistanceRatios",
    "LongRun",
    "ReactionTimes",
    "Reactions",
    "StepsByChange",
    "Trajectory",
    "UncertaintyCurves",
    "analyze",
    "classify",
    "correlate",
    "distance_ratios",
    "follow_frame",
    "long_run",
    "measure_changes",
    "print_analysis",
    "project_trajectory",
    "reaction_times",
    "relative_movement",
    "step_distances",
    "steps_by_change",
    "uncertainty",
    "uncertainty_curves",
    "uncertainty_of",
    "within",
]
