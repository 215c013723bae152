"""Large-kernel convolution with same padding, directly or in the frequency domain.

A 15x15 convolution over 25 channels costs about fifty times less arithmetic as a product of
spectra than directly. The spectrum of a kernel depends on the parameters and the frame size alone:
compute it once with `kernel_spectrum` and pass it to every `convolve`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.errors import InputError
from rsf_jax.typing import Array, Float, Kernel, Spectrum

Input = Float[Array, "B C_in H W"]
Output = Float[Array, "B C_out H W"]


def convolve(x: Input, kernel: Kernel, spectrum: Spectrum | None = None) -> Output:
    """Cross-correlates `x` with `kernel` under zero padding, keeping height and width.

    `y[b, o, i, j] = sum_{c, k, l} kernel[k, l, c, o] x[b, c, i + k - KH // 2, j + l - KW // 2]`

    Args:
        x: float32 [B, C_in, H, W].
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.
        spectrum: `kernel_spectrum(kernel, H, W)` for the frequency domain; None convolves directly.

    Returns:
        float32 [B, C_out, H, W].
    """
    if spectrum is None:
        return _convolve_direct(x, kernel)
    return _convolve_fft(x, spectrum, kernel.shape[0], kernel.shape[1])


def kernel_spectrum(kernel: Kernel, height: int, width: int) -> Spectrum:
    """Returns the transfer function of a kernel on frames of the given size.

    `S[u, v] = sum_{k, l} kernel[k, l] exp(2 pi i (u (k - KH // 2) / P + v (l - KW // 2) / Q))`

    The positive exponent makes the product with it a cross-correlation, and the offset centres the
    kernel. As two products with small matrices this is much cheaper than the transform of the
    zero-padded kernel, because a kernel is small beside a frame.

    Args:
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.
        height: frame height in pixels.
        width: frame width in pixels.

    Returns:
        complex64 [P, Q // 2 + 1, C_in, C_out] with P, Q from `padded_size`.

    Raises:
        InputError: if a kernel size is even.
    """
    kernel_height, kernel_width = kernel.shape[:2]
    if kernel_height % 2 == 0 or kernel_width % 2 == 0:
        raise InputError(
            f"kernel size {kernel_height}x{kernel_width} is even: same padding needs odd sizes"
        )
    p, q = padded_size(height, kernel_height), padded_size(width, kernel_width)
    rows = _centred_dft(p, kernel_height, p)
    columns = _centred_dft(q // 2 + 1, kernel_width, q)
    return jnp.einsum("uk,vl,klio->uvio", rows, columns, kernel.astype(jnp.complex64))


def padded_size(size: int, kernel_size: int) -> int:
    """Returns the transform length: at least `size + kernel_size // 2`, a product of 2, 3 and 5.

    Half a kernel of padding is enough: what wraps around falls outside the frame.
    """
    length = size + kernel_size // 2
    while not _is_smooth(length):
        length += 1
    return length


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


def _centred_dft(frequencies: int, taps: int, period: int) -> np.ndarray:
    # Angles in float64: float32 products of large integers would cost accuracy.
    offsets = np.arange(taps) - taps // 2
    angles = 2 * np.pi * np.outer(np.arange(frequencies), offsets) / period
    return np.exp(1j * angles).astype(np.complex64)


def _convolve_fft(x: Input, spectrum: Spectrum, kernel_height: int, kernel_width: int) -> Output:
    height, width = x.shape[-2:]
    lengths = padded_size(height, kernel_height), padded_size(width, kernel_width)
    product = jnp.einsum("biuv,uvio->bouv", jnp.fft.rfft2(x, lengths), spectrum)
    return jnp.fft.irfft2(product, lengths)[..., :height, :width]


def _convolve_direct(x: Input, kernel: Kernel) -> Output:
    # Channels last is the only layout in which XLA's CPU convolution is fast.
    y = lax.conv_general_dilated(
        jnp.moveaxis(x, 1, -1),
        jnp.asarray(kernel),
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    return jnp.moveaxis(y, -1, 1)
