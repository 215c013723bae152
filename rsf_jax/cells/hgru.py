"""Horizontal gated recurrent unit."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from rsf_jax.cells.base import RecurrentCell
from rsf_jax.ops.activations import sigmoid, softplus
from rsf_jax.ops.norm import normalize, per_channel
from rsf_jax.typing import Array, FeatureMap


class HGRUCell(RecurrentCell):
    r"""Horizontal gated recurrent unit: divisive inhibition, then gated excitation.

    With `*` convolution, products per element and softplus(x) = log(1 + exp(x)):

        g1 = sigmoid(U1 h)
        c1 = norm(W_inh * (h g1))
        s1 = softplus(x - softplus(c1 (alpha h + mu)))
        g2 = sigmoid(U2 s1)
        c2 = norm(W_exc * s1)
        e  = softplus(kappa s1 + gamma c2 + w s1 c2)
        h' = softplus((1 - g2) h + g2 e)

    The state is h alone, [B, C, H, W], zero before the first frame.

    Parameters (C channels, k the kernel size): `inhibition`, `excitation` [k, k, C, C]; `gate1`,
    `gate2` [C, C] with biases [C]; `alpha`, `gamma`, `kappa`, `w`, `mu` [C]; `norm_scale`,
    `norm_bias` [4, C], of which rows 1 and 3 are used. The idle rows belong to the published
    model; they keep its weights and its parameter count exchangeable.

    Source: Linsley et al. 2018; Wang et al. 2023, appendix A.1 and published code. The outermost
    softplus is in the code only.
    """

    def setup(self) -> None:
        """Declares the parameters with the published initialization."""
        c, k = self.channels, self.kernel_size
        orthogonal, constant = nn.initializers.orthogonal(), nn.initializers.constant
        self.inhibition = self.param("inhibition", orthogonal, (k, k, c, c), jnp.float32)
        self.excitation = self.param("excitation", orthogonal, (k, k, c, c), jnp.float32)
        self.gate1 = self.param("gate1", orthogonal, (c, c), jnp.float32)
        self.gate1_bias = self.param("gate1_bias", _uniform_1_to_7, (c,), jnp.float32)
        self.gate2 = self.param("gate2", orthogonal, (c, c), jnp.float32)
        self.gate2_bias = self.param("gate2_bias", lambda _: -self.gate1_bias)
        self.alpha = self.param("alpha", constant(0.1), (c,), jnp.float32)
        self.gamma = self.param("gamma", constant(1.0), (c,), jnp.float32)
        self.kappa = self.param("kappa", constant(0.5), (c,), jnp.float32)
        self.w = self.param("w", constant(0.5), (c,), jnp.float32)
        self.mu = self.param("mu", constant(1.0), (c,), jnp.float32)
        self.norm_scale = self.param("norm_scale", constant(0.1), (4, c), jnp.float32)
        self.norm_bias = self.param("norm_bias", nn.initializers.zeros, (4, c), jnp.float32)

    def prepare(self, height: int, width: int) -> None:
        """Stores the spectra of both kernels."""
        self.store_spectrum("inhibition", self.inhibition, height, width)
        self.store_spectrum("excitation", self.excitation, height, width)

    def __call__(self, carry: FeatureMap, drive: FeatureMap) -> FeatureMap:
        """Applies one recurrent step: h [B, C, H, W], x [B, C, H, W] -> h' [B, C, H, W]."""
        h, x = carry, drive
        gate1 = sigmoid(_pointwise(h, self.gate1, self.gate1_bias))
        c1 = self._normalize(1, self.convolve_prepared("inhibition", self.inhibition, h * gate1))
        s1 = softplus(x - softplus(c1 * (per_channel(self.alpha) * h + per_channel(self.mu))))
        gate2 = sigmoid(_pointwise(s1, self.gate2, self.gate2_bias))
        c2 = self._normalize(3, self.convolve_prepared("excitation", self.excitation, s1))
        linear = per_channel(self.kappa) * s1 + per_channel(self.gamma) * c2
        excited = softplus(linear + per_channel(self.w) * s1 * c2)
        return softplus((1 - gate2) * h + gate2 * excited)

    def _normalize(self, row: int, x: FeatureMap) -> FeatureMap:
        return normalize(x, self.norm_scale[row], self.norm_bias[row], self.norm_statistics)


def _uniform_1_to_7(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    return jax.random.uniform(key, shape, dtype, minval=1.0, maxval=7.0)


def _pointwise(x: FeatureMap, weight: Array, bias: Array) -> FeatureMap:
    """1x1 convolution, weight [C_in, C_out]."""
    return jnp.einsum("bihw,io->bohw", x, weight, precision="highest") + per_channel(bias)
