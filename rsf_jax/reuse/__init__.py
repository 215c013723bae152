"""Reuse across frames: recompute of a feedforward network only what has changed."""

from rsf_jax.reuse.choosing import Chosen
from rsf_jax.reuse.network import ReuseNetwork, frame_network
from rsf_jax.reuse.program import METHODS
from rsf_jax.reuse.state import ReuseState
from rsf_jax.reuse.thresholds import load_thresholds, save_thresholds
from rsf_jax.reuse.training import run_clip

__all__ = [
    "METHODS",
    "Chosen",
    "ReuseNetwork",
    "ReuseState",
    "frame_network",
    "load_thresholds",
    "run_clip",
    "save_thresholds",
]
