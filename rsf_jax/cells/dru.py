"""The dual-gated recurrent unit (DRU) of the recurrent U-Net."""

import math
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from rsf_jax.ops.direct import Conv
from rsf_jax.ops.norm import GroupNorm
from rsf_jax.ops.rounding import FLOAT32
from rsf_jax.typing import Array, Float

_GROUPS = 8
# As in PyTorch, whose networks these are.
_EPSILON = 1e-5
kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


def kaiming_conv(channels: int, compute_dtype: str) -> Callable[..., Conv]:
    """Returns how a 3x3 convolution of the recurrent U-Net is made, given its name."""
    return partial(Conv, channels, kernel_init=kaiming_normal, compute_dtype=compute_dtype)


class ConvBlock(nn.Module):
    """Twice [3x3 convolution, group normalization, ReLU], channels last.

    Attributes:
        channels: channels C of the result. Statistics are those of gcd(8, C) groups of each image.
        compute_dtype: in which its 3x3 convolutions multiply.
    """

    channels: int
    compute_dtype: str = FLOAT32

    @nn.compact
    def __call__(self, x: Float[Array, "B H W D"]) -> Float[Array, "B H W C"]:
        """Maps features [B, H, W, D] to [B, H, W, C]."""
        conv = kaiming_conv(self.channels, self.compute_dtype)
        for i in range(2):
            x = conv(name=f"conv_{i}")(x)
            x = normalize_groups(x, f"norm_{i}")
        return x


def normalize_groups(x: Float[Array, "B H W C"], name: str) -> Float[Array, "B H W C"]:
    """Group normalization and ReLU, within the compact method of a module."""
    groups = math.gcd(_GROUPS, x.shape[-1])
    return nn.relu(GroupNorm(groups, _EPSILON, name=name)(x))


class DRU(nn.Module):
    """One step of the dual-gated unit, for the encoder's features e.

        z = sigmoid(C_z(e))
        r = sigmoid(C_r(e))
        h~ = tanh(C_h(e . r))
        h' = (1 - z) . h + z . h~

    with `ConvBlock` for each C. The gates see e only; what the step before has found reaches them
    by the output that is fed back to the encoder.

    Attributes:
        channels: channels C of the hidden state.
        compute_dtype: in which its 3x3 convolutions multiply.

    Source: Wang et al. 2019, Recurrent U-Net for Resource-Constrained Segmentation, published code.
    """

    channels: int
    compute_dtype: str = FLOAT32

    @nn.compact
    def __call__(
        self, hidden: Float[Array, "B H W C"], features: Float[Array, "B H W D"]
    ) -> Float[Array, "B H W C"]:
        """Returns the next hidden state [B, H, W, C]."""
        dtype = self.compute_dtype
        z = nn.sigmoid(ConvBlock(self.channels, dtype, name="update")(features))
        r = nn.sigmoid(ConvBlock(features.shape[-1], dtype, name="reset")(features))
        candidate = jnp.tanh(ConvBlock(self.channels, dtype, name="candidate")(features * r))
        return (1 - z) * hidden + z * candidate
