"""Convolutions to compare with."""

import jax
from jax import lax


def random_of(shape):
    """Input, kernel and cotangent; of (batch, height, width, channels in, out, kernel)."""
    batch, height, width, c_in, c_out, kernel = shape
    keys = jax.random.split(jax.random.key(0), 3)
    sizes = ((batch, height, width, c_in), (*kernel, c_in, c_out), (batch, height, width, c_out))
    return [jax.random.normal(key, size) for key, size in zip(keys, sizes)]


def by_xla(x, kernel):
    """The convolution, with XLA's own derivatives."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
