"""Axis glossary and named array types.

Axes, always in this order in public arrays:

    B  batch: videos processed together
    T  frame: position in a video
    N  recurrent step within a frame
    H  height in pixels, counted downwards
    W  width in pixels, counted to the right
    I  channels of a frame
    C  channels of a feature map or hidden state
    K  output classes

Inside the recurrence feature maps are channels first, `B C H W`: Fourier transforms run over the
last two axes. They are converted once a frame, in the stem and in the readout.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Num, UInt8

Array = jax.Array | np.ndarray
Leaf = Any  # in a pytree: an array, or what takes its place while the tree is transformed

# How many videos: a whole number, or a symbol of `jax.export` in a program for any number of them.
BatchSize = Any

Carry = Any  # a recurrent state: a pytree of arrays whose first axis is the batch
Drive = Any  # what enters every step of a frame: a feature map, in the library's own models
Step = Callable[[Carry], Carry]  # one recurrent step for a fixed drive

Variables = Mapping[str, Any]  # Flax variables: {"params": nested mapping of arrays, ...}

# Gray frames (I = 1) or color (I = 3): values in 0..1, or bytes in 0..255.
Video = Float[Array, "B T H W I"] | UInt8[Array, "B T H W I"]
Frame = Float[Array, "B H W I"] | UInt8[Array, "B H W I"]
FrameLogits = Float[Array, "B H W K"]
VideoLogits = Float[Array, "B T H W K"]
FrameSteps = Int[Array, "B"]

FeatureMap = Float[Array, "B C H W"]  # layout inside the recurrence
Kernel = Float[Array, "KH KW C_in C_out"]

__all__ = [
    "Array",
    "BatchSize",
    "Carry",
    "Drive",
    "FeatureMap",
    "Float",
    "Frame",
    "FrameLogits",
    "FrameSteps",
    "Int",
    "Kernel",
    "Leaf",
    "Num",
    "Step",
    "Variables",
    "Video",
    "VideoLogits",
]
