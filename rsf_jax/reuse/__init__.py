"""Reuse across frames: recompute of a feedforward network only what has changed."""

from rsf_jax.reuse.network import ReuseNetwork, frame_network
from rsf_jax.reuse.program import METHODS
from rsf_jax.reuse.state import ReuseState
from rsf_jax.reuse.training import run_clip

__all__ = ["METHODS", "ReuseNetwork", "ReuseState", "frame_network", "run_clip"]
