"""Convolutional long short-term memory."""

from typing import NamedTuple

import jax.numpy as jnp

from rsf_jax.cells.base import RecurrentCell
from rsf_jax.ops.activations import sigmoid
from rsf_jax.ops.initializers import torch_uniform
from rsf_jax.ops.norm import per_channel
from rsf_jax.typing import Array, BatchSize, FeatureMap, Float


class LSTMState(NamedTuple):
    """State of a convolutional LSTM, float32 [B, C, H, W] each.

    Attributes:
        hidden: h, what is read out and compared.
        memory: c, the cell state.
    """

    hidden: FeatureMap
    memory: FeatureMap


class ConvLSTMCell(RecurrentCell):
    r"""Convolutional long short-term memory without peepholes.

    With `*` convolution and products per element:

        i = sigmoid(W_xi * x + b_i + W_hi * h)
        f = sigmoid(W_xf * x + b_f + W_hf * h)
        g = tanh(W_xg * x + b_g + W_hg * h)
        o = sigmoid(W_xo * x + b_o + W_ho * h)
        c' = f c + i g
        h' = o tanh(c')

    The state is (h, c), zero before the first frame. Nothing is added to the forget gate.

    Parameters (C channels, k the kernel size; gates along the last axis in the order i, f, g, o):
    `input_kernel`, `hidden_kernel` [k, k, C, 4 C], `input_bias` [4 C].

    Source: Shi et al. 2015; Wang et al. 2023, published code.
    """

    def setup(self) -> None:
        """Declares the parameters with the published initialization, that of PyTorch."""
        c, k = self.channels, self.kernel_size
        uniform = torch_uniform(k * k * c)
        self.input_kernel = self.param("input_kernel", uniform, (k, k, c, 4 * c), jnp.float32)
        self.input_bias = self.param("input_bias", uniform, (4 * c,), jnp.float32)
        self.hidden_kernel = self.param("hidden_kernel", uniform, (k, k, c, 4 * c), jnp.float32)

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> LSTMState:
        """Returns h = c = 0."""
        zeros = jnp.zeros((batch_size, self.channels, height, width), jnp.float32)
        return LSTMState(zeros, zeros)

    def prepare(self, height: int, width: int) -> None:
        """Stores the spectra of both kernels."""
        self.store_spectrum("input", self.input_kernel, height, width)
        self.store_spectrum("hidden", self.hidden_kernel, height, width)

    def drive(self, x: FeatureMap) -> Float[Array, "B fourC H W"]:
        """Returns the input's part of the four gates, which no step changes."""
        return self.convolve_prepared("input", self.input_kernel, x) + per_channel(self.input_bias)

    def hidden(self, carry: LSTMState) -> FeatureMap:
        """Returns h."""
        return carry.hidden

    def __call__(self, carry: LSTMState, drive: Float[Array, "B fourC H W"]) -> LSTMState:
        """Applies one recurrent step to (h, c)."""
        gates = drive + self.convolve_prepared("hidden", self.hidden_kernel, carry.hidden)
        i, f, g, o = jnp.split(gates, 4, axis=1)
        memory = sigmoid(f) * carry.memory + sigmoid(i) * jnp.tanh(g)
        return LSTMState(sigmoid(o) * jnp.tanh(memory), memory)
