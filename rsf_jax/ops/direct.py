"""Convolution with small kernels, channels last, whose gradients are fast in loops too.

XLA brings the two gradients of a convolution into a form that its CPU code is fast for, but not
inside `lax.scan` or `lax.while_loop`, where they take five to twenty times as long. Here they are
written in such forms.
"""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from rsf_jax.ops import onednn
from rsf_jax.ops.linear import bilinear
from rsf_jax.typing import Array, Float, Kernel

# See docs/decisions/0006-memory-of-gradients.md.
# The name under which convolutions mark what is costly to compute again (`checkpoint_name`): what
# is kept of a step in `gradients.BPTT`.
CONVOLVED = "convolved"
Input = Float[Array, "B H W C_in"]
Output = Float[Array, "B H W C_out"]


class Conv(nn.Module):
    """`flax.linen.Conv` with zero padding that keeps the size, and `convolve_direct` in it.

    Attributes:
        channels: channels of the result.
        kernel_size: height and width, both odd.
        use_bias: whether a bias is added.
        kernel_init: start of the kernel.
    """

    channels: int
    kernel_size: tuple[int, int] = (3, 3)
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Input) -> Output:
        """Maps features [B, H, W, C_in] to [B, H, W, C_out]."""
        shape = (*self.kernel_size, x.shape[-1], self.channels)
        y = convolve_direct(x, self.param("kernel", self.kernel_init, shape, jnp.float32))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
            y += bias[None, None, None]
        return checkpoint_name(y, CONVOLVED)


def convolve_direct(x: Input, kernel: Kernel) -> Output:
    """Cross-correlates x with a kernel under zero padding, keeping height and width.

    Args:
        x: float32 [B, H, W, C_in].
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.

    Returns:
        float32 [B, H, W, C_out].
    """
    # Weights of half precision are computed with in that of the features.
    dtype = jnp.result_type(x, kernel)
    x, kernel = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    own = dtype == jnp.float32 and onednn.is_used()
    return _convolve(x, kernel, _Form((kernel.shape[0], kernel.shape[1]), own))


class _Form(NamedTuple):
    """What a convolution's program is of, beside its arguments.

    Attributes:
        size: of the kernel.
        onednn: whether oneDNN computes it, on CPUs.
    """

    size: tuple[int, int]
    onednn: bool


# With derivatives of its own, or XLA's slow loops would compute them: see
# docs/decisions/0005-derivatives-of-convolutions.md.
@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _convolve(
    x: Float[jax.Array, "B H W C_in"],
    kernel: Float[jax.Array, "KH KW C_in C_out"],
    form: _Form,
) -> Output:
    if not form.onednn:
        return _by_xla(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=onednn.convolve, default=_by_xla)


def _by_xla(x: Input, kernel: Kernel) -> Output:
    return lax.conv_general_dilated(
        jnp.asarray(x),
        jnp.asarray(kernel),
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )


def _to_input(kernel: Kernel, y: Output) -> Input:
    """The input's cotangent, for the cotangent y of the output."""
    return convolve_direct(y, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _to_kernel(x: Input, y: Output, form: _Form) -> Kernel:
    """The kernel's cotangent, likewise."""
    on_cpu = onednn.kernel_gradient if form.onednn else _products_of_shifts
    return lax.platform_dependent(
        x,
        y,
        cpu=lambda x, y: on_cpu(x, y, form.size),
        default=lambda x, y: _correlate(x, y, form.size),
    )


def _products_of_shifts(x: Input, y: Output, size: tuple[int, int]) -> Kernel:
    """One product of matrices for each entry: `g[i, j] = sum_p x[p + (i, j)]^T y[p]`.

    Padded to one size, both maps are rows of pixels, in which a shift is a slice: nothing is
    copied.
    """
    above, left = size[0] // 2, size[1] // 2
    x = jnp.pad(x, ((0, 0), (above, above), (left, left), (0, 0)))
    y = jnp.pad(y, ((0, 0), (0, 2 * above), (0, 2 * left), (0, 0)))
    width = x.shape[2]
    x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    # Behind these pixels y has nothing but padding.
    pixels = y.shape[0] - 2 * above * width - 2 * left
    offsets = [i * width + j for i in range(size[0]) for j in range(size[1])]
    products = [
        jnp.matmul(x[offset : offset + pixels].T, y[:pixels], precision="highest")
        for offset in offsets
    ]
    return jnp.stack(products).reshape(*size, x.shape[-1], y.shape[-1])


def _correlate(x: Input, y: Output, size: tuple[int, int]) -> Kernel:
    """The same as a convolution in which images are channels, and channels are images."""
    padding = [(length // 2, length // 2) for length in size]
    return lax.conv_general_dilated(
        jnp.asarray(x),
        jnp.asarray(y),
        window_strides=(1, 1),
        padding=padding,
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
        precision="highest",
    )


bilinear(_convolve, lambda kernel, y, form: _to_input(kernel, y), _to_kernel)
bilinear(_to_kernel, lambda y, kernel, form: _to_input(kernel, y), _convolve)
