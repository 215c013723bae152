"""A small model, a policy that decides, and frames of which some repeat."""

import numpy as np
from configs import untrained

import rsf_jax as rsf
from rsf_jax import programs

SIZE = (12, 14)
GATED = rsf.parse_policy("gate:0.01:0.9+pattern:rtol=0.2:6")


def frames_of(count, shape=SIZE, channels=1):
    """Some repeat the one before."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, *shape, channels), np.uint8)
    frames[2::3] = frames[1::3][: len(frames[2::3])]
    return frames


def export(folder, format):
    """Returns the model, and the folder of its program of any number of videos."""
    trained = untrained(SIZE)
    settings = {"format": format, "frame_shape": SIZE, "batch": 0}
    return trained, programs.export_program(trained, GATED, folder, **settings)
