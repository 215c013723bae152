"""Initial weights that no library here offers."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from rsf_jax.typing import Array


def torch_uniform(fan_in: int) -> nn.initializers.Initializer:
    """Returns PyTorch's initialization of convolutions: uniform in +-1 / sqrt(fan_in).

    Args:
        fan_in: values that enter each output, `kernel height * kernel width * channels in`; for
            biases too that of their kernel.
    """
    bound = 1 / math.sqrt(fan_in)

    def init(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
