"""Reuse across frames: recompute of a feedforward network only what has changed."""

from rsf_jax.reuse.network import ReuseNetwork
from rsf_jax.reuse.program import METHODS, ReuseState

__all__ = ["METHODS", "ReuseNetwork", "ReuseState"]
