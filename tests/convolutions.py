"""Convolutions to compare with."""

import jax.numpy as jnp
import numpy as np
from jax import lax


def random_of(shape):
    """Input, kernel and cotangent; of (batch, height, width, channels in, out, kernel)."""
    batch, height, width, c_in, c_out, kernel = shape
    rng = np.random.default_rng(0)
    sizes = ((batch, height, width, c_in), (*kernel, c_in, c_out), (batch, height, width, c_out))
    return [jnp.asarray(rng.normal(size=size), jnp.float32) for size in sizes]


def by_xla(x, kernel):
    """The convolution, with XLA's own derivatives."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
