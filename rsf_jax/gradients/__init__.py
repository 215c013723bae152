"""Gradient estimators: how a fixed number of recurrent steps is differentiated.

An estimator knows nothing of cells, frames or schedules. It is handed a function
`step: carry -> carry` and the number of steps; a `FixedSchedule` carries the one to use.
"""

from rsf_jax.gradients.base import Estimator, ObservableEstimator, Reached
from rsf_jax.gradients.bptt import BPTT, REMAT
from rsf_jax.gradients.neumann import GUARDS, Neumann, neumann_series
from rsf_jax.gradients.penalty import JacobianPenalty, LipschitzPenalty, Penalty
from rsf_jax.gradients.phantom import Phantom
from rsf_jax.gradients.rbp import RBP

__all__ = [
    "BPTT",
    "GUARDS",
    "RBP",
    "REMAT",
    "Estimator",
    "JacobianPenalty",
    "LipschitzPenalty",
    "Neumann",
    "ObservableEstimator",
    "Penalty",
    "Phantom",
    "Reached",
    "neumann_series",
]
