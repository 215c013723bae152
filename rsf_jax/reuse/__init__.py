"""Reuse across frames: recompute of a feedforward network only what has changed."""

from rsf_jax.reuse.network import ReuseNetwork, frame_network, run_clip
from rsf_jax.reuse.program import METHODS, ReuseState

__all__ = ["METHODS", "ReuseNetwork", "ReuseState", "frame_network", "run_clip"]
