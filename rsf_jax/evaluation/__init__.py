"""Tests of trained models: on a split, under many policies, side by side, on one page."""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.evaluation.testing import evaluate, print_results
    from rsf_jax.trained.model import Trained
    from rsf_jax.training.loading import load_trained

__all__ = ["Trained", "evaluate", "load_trained", "print_results"]

__getattr__ = attach(
    __name__,
    {
        ".testing": ["evaluate", "print_results"],
        "rsf_jax.trained.model": ["Trained"],
        "rsf_jax.training.loading": ["load_trained"],
    },
)
