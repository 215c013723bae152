"""Convolution with small kernels, channels last, whose gradients are fast in loops too.

XLA brings the two gradients of a convolution into a form that its CPU code is fast for, but not
inside `lax.scan` or `lax.while_loop`, where they take five to twenty times as long. Here they are
written in such forms.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from rsf_jax.ops import onednn
from rsf_jax.ops.linear import bilinear
from rsf_jax.ops.rounding import FLOAT32, rounded
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
        compute_dtype: in which is multiplied, see `rounding`.
    """

    channels: int
    kernel_size: tuple[int, int] = (3, 3)
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    compute_dtype: str = FLOAT32

    @nn.compact
    def __call__(self, x: Input) -> Output:
        """Maps features [B, H, W, C_in] to [B, H, W, C_out]."""
        shape = (*self.kernel_size, x.shape[-1], self.channels)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        y = convolve_direct(x, kernel, self.compute_dtype)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
            y += bias[None, None, None]
        return checkpoint_name(y, CONVOLVED)


def convolve_direct(x: Input, kernel: Kernel, compute_dtype: str = FLOAT32) -> Output:
    """Cross-correlates x with a kernel under zero padding, keeping height and width.

    Args:
        x: float32 [B, H, W, C_in].
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.
        compute_dtype: in which is multiplied, see `rounding`.

    Returns:
        float32 [B, H, W, C_out].
    """
    # Weights of half precision are computed with in that of the features.
    dtype = jnp.result_type(x, kernel)
    x, kernel = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    own = dtype == jnp.float32 and onednn.is_used()
    form = _Form((kernel.shape[0], kernel.shape[1]), own, compute_dtype)
    x, kernel = (rounded(factor, compute_dtype) for factor in (x, kernel))
    return rounded(_convolve(x, kernel, form), compute_dtype)


class _Form(NamedTuple):
    """What a convolution's program is of, beside its arguments.

    Attributes:
        size: of the kernel.
        onednn: whether oneDNN computes it, on CPUs.
        compute_dtype: in which accelerators multiply factors that are rounded to it.
    """

    size: tuple[int, int]
    onednn: bool
    compute_dtype: str = FLOAT32


# With derivatives of its own, or XLA's slow loops would compute them: see
# docs/decisions/0005-derivatives-of-convolutions.md.
@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _convolve(
    x: Float[jax.Array, "B H W C_in"],
    kernel: Float[jax.Array, "KH KW C_in C_out"],
    form: _Form,
) -> Output:
    if not form.onednn and form.compute_dtype == FLOAT32:
        return _by_xla(x, kernel)
    on_cpu = onednn.convolve if form.onednn else _by_xla
    on_others = partial(_by_xla, compute_dtype=form.compute_dtype)
    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=on_others)


def _by_xla(x: Input, kernel: Kernel, compute_dtype: str = FLOAT32) -> Output:
    return _multiply(
        *(x, kernel, compute_dtype),
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _multiply(x: Array, y: Array, compute_dtype: str, **settings: Any) -> Array:
    """XLA's convolution of factors that are rounded already; sums are in the type of x."""
    dtype = x.dtype
    if compute_dtype != FLOAT32:  # exact
        x, y = x.astype(compute_dtype), y.astype(compute_dtype)
    return lax.conv_general_dilated(
        *(jnp.asarray(x), jnp.asarray(y)),
        precision="highest",
        preferred_element_type=dtype,
        **settings,
    )


def _to_input(kernel: Kernel, y: Output, form: _Form) -> Input:
    """The input's cotangent, for the cotangent y of the output."""
    return _convolve(y, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), form)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _to_kernel(x: Input, y: Output, form: _Form) -> Kernel:
    """The kernel's cotangent, likewise."""
    on_cpu = onednn.kernel_gradient if form.onednn else _kernel_gradient
    return lax.platform_dependent(
        x,
        y,
        cpu=lambda x, y: on_cpu(x, y, form.size),
        default=lambda x, y: _correlate(x, y, form.size, form.compute_dtype),
    )


def _kernel_gradient(x: Input, y: Output, size: tuple[int, int]) -> Kernel:
    """The kernel's cotangent in the form that is the fastest on CPUs: measured, docs/speed.md."""
    form = _as_convolution if y.shape[-1] >= _MANY else _products_of_blocks
    return form(x, y, size)


# Of the result: with fewer channels XLA's convolution has too little to do for what it reads.
_MANY = 32
_BLOCK = 4  # pixels in a row whose products are one product


def _as_convolution(x: Input, y: Output, size: tuple[int, int]) -> Kernel:
    """A convolution in which images are channels and channels images, in XLA's own order.

    XLA would bring any order into this one, but not in a loop.
    """
    gradient = _multiply(
        *(jnp.asarray(x).transpose(3, 1, 2, 0), jnp.asarray(y).transpose(1, 2, 0, 3), FLOAT32),
        window_strides=(1, 1),
        padding=[(length // 2, length // 2) for length in size],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return gradient.transpose(1, 2, 0, 3)


def _products_of_blocks(x: Input, y: Output, size: tuple[int, int]) -> Kernel:
    """`g[i, j] = sum_p x[p + (i, j)]^T y[p]`, one product of matrices for each i.

    A row of pixels is cut into blocks. A row of one matrix is a block of y, one of the other the
    block of x with what is around it; their product holds x at every distance from y, and its
    diagonals are what is wanted. Padded to one size, both maps are rows of blocks, in which a shift
    by a row of pixels is a slice.
    """
    above, left = size[0] // 2, size[1] // 2
    missing = -x.shape[2] % _BLOCK
    y = jnp.pad(y, ((0, 0), (0, 2 * above), (0, missing), (0, 0)))
    x = jnp.pad(x, ((0, 0), (above, above), (left, left + missing), (0, 0)))
    blocks = y.shape[2] // _BLOCK
    y = y.reshape(-1, _BLOCK * y.shape[-1])
    columns = [x[:, :, k::_BLOCK][:, :, :blocks] for k in range(_BLOCK + 2 * left)]
    windows = jnp.concatenate(columns, -1).reshape(-1, len(columns) * x.shape[-1])
    # Behind these y has nothing but padding.
    count = y.shape[0] - 2 * above * blocks
    shape = (len(columns), x.shape[-1], _BLOCK, y.shape[-1] // _BLOCK)
    rows = []
    for first in range(0, size[0] * blocks, blocks):
        product = jnp.matmul(windows[first : first + count].T, y[:count], precision="highest")
        parts = product.reshape(shape)
        rows += [sum(parts[at + j, :, at] for at in range(_BLOCK)) for j in range(size[1])]
    return jnp.stack(rows).reshape(*size, x.shape[-1], shape[-1])


def _correlate(x: Input, y: Output, size: tuple[int, int], compute_dtype: str = FLOAT32) -> Kernel:
    """The same as a convolution in which images are channels, and channels are images."""
    padding = [(length // 2, length // 2) for length in size]
    return _multiply(
        *(x, y, compute_dtype),
        window_strides=(1, 1),
        padding=padding,
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )


bilinear(_convolve, _to_input, _to_kernel)
bilinear(_to_kernel, lambda y, kernel, form: _to_input(kernel, y, form), _convolve)
