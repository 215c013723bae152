"""Large-kernel convolution with same padding, directly or in the frequency domain.

The spectrum of a kernel depends on the parameters and the frame size alone: compute it once with
`kernel_spectrum` and pass it to every `convolve`.
"""

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.arguments import check_choice, whole
from rsf_jax.errors import InputError
from rsf_jax.ops import portable
from rsf_jax.ops.direct import convolve_direct
from rsf_jax.ops.rounding import COMPUTE_DTYPES, FLOAT32, rounded
from rsf_jax.ops.rule import ELSEWHERE, frequency_is_faster
from rsf_jax.ops.spectral import Grid, Spectrum, convolve_spectral, spectrum_of, tile_grid
from rsf_jax.typing import Array, Float, Kernel

METHODS = ("auto", "fft", "direct")

Input = Float[Array, "B C_in H W"]
Output = Float[Array, "B C_out H W"]


@flax.struct.dataclass
class KernelSpectrum:
    """The transfer function of a kernel on frames of one size.

    Attributes:
        parts: its real and imaginary part.
        grid: the tiles of a frame that it is for.
    """

    parts: Spectrum
    grid: Grid = flax.struct.field(pytree_node=False)


def convolve(
    x: Input,
    kernel: Kernel,
    *,
    method: str = "auto",
    spectrum: KernelSpectrum | None = None,
    compute_dtype: str = FLOAT32,
) -> Output:
    """Cross-correlates `x` with `kernel` under zero padding, keeping height and width.

    `y[b, o, i, j] = sum_{c, k, l} kernel[k, l, c, o] x[b, c, i + k - KH // 2, j + l - KW // 2]`

    Args:
        x: float32 [B, C_in, H, W].
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.
        method: "direct"; "fft", in the frequency domain, equal up to rounding; or "auto", see
            `choose_method`.
        spectrum: `kernel_spectrum(kernel, H, W)`, if it is at hand; used by "fft" alone. Gradients
            then reach it instead of the kernel.
        compute_dtype: in which is multiplied, see `rounding`; a spectrum is then one of the same.

    Returns:
        float32 [B, C_out, H, W].

    Raises:
        InputError: if x or kernel has another number of axes or an empty one, their channels
            differ, a kernel size is even, a name is unknown, or the spectrum is another kernel's.
    """
    _check_kernel(kernel, compute_dtype)
    _check_input(x, kernel)
    if choose_method(kernel.shape[0], kernel.shape[1], method, compute_dtype) == "direct":
        return _convolve_direct(x, kernel, compute_dtype)
    grid = tile_grid(kernel.shape[0], kernel.shape[1], x.shape[2], x.shape[3])
    if spectrum is None:
        spectrum = kernel_spectrum(kernel, x.shape[2], x.shape[3], compute_dtype)
    _check_spectrum(spectrum, grid, kernel, x.shape[2], x.shape[3])
    x = rounded(jnp.asarray(x), compute_dtype)
    return rounded(convolve_spectral(x, spectrum.parts, grid), compute_dtype)


def choose_method(
    kernel_height: int, kernel_width: int, method: str = "auto", compute_dtype: str = FLOAT32
) -> str:
    """Returns "fft" or "direct": what `method` stands for with a kernel of this size.

    The rule of "auto" is in `rule`; on CPUs, the frequency domain from 5x5 on, where it was faster
    for all frames, batches and channels tried (docs/speed.md, "What was tried"), and
    in programs that leave XLA (`ops.portable`) from 13x13 on.

    Raises:
        InputError: if the method or the type is unknown.
    """
    check_choice("method", method, METHODS)
    check_choice("compute_dtype", compute_dtype, COMPUTE_DTYPES)
    if method != "auto":
        return method
    area = kernel_height * kernel_width
    platform = ELSEWHERE if portable.is_on() else jax.default_backend()
    return "fft" if frequency_is_faster(area, compute_dtype, platform) else "direct"


def kernel_spectrum(
    kernel: Kernel, height: int, width: int, compute_dtype: str = FLOAT32
) -> KernelSpectrum:
    """Returns what `convolve` needs of a kernel on frames of the given size.

    Args:
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.
        height: frame height in pixels.
        width: frame width in pixels.
        compute_dtype: in which `convolve` is to multiply.

    Returns:
        Real and imaginary parts, float32 [R, C_out, C_in, P] each (see `spectral.spectrum_of`),
        and the tiles that they are for.

    Raises:
        InputError: if the kernel is none of these, a frame size below 1, or the type unknown.
    """
    _check_kernel(kernel, compute_dtype)
    height, width = whole("height", height), whole("width", width)
    grid = tile_grid(kernel.shape[0], kernel.shape[1], height, width)
    return KernelSpectrum(spectrum_of(rounded(jnp.asarray(kernel), compute_dtype), grid), grid)


def _check_kernel(kernel: Kernel, compute_dtype: str) -> None:
    check_choice("compute_dtype", compute_dtype, COMPUTE_DTYPES)
    _check_axes("kernel", kernel, "KH, KW, C_in, C_out")
    height, width = kernel.shape[:2]
    if height % 2 == 0 or width % 2 == 0:
        raise InputError(f"kernel size {height}x{width} is even: same padding needs odd sizes")


def _check_input(x: Input, kernel: Kernel) -> None:
    _check_axes("x", x, "B, C_in, H, W")
    if x.shape[1] != kernel.shape[2]:
        raise InputError(
            f"x {list(x.shape)} has {x.shape[1]} channels, kernel {list(kernel.shape)} takes "
            f"{kernel.shape[2]}: axis 1 of x and axis 2 of the kernel must have the same length"
        )


def _check_axes(name: str, value: Array, axes: str) -> None:
    if value.ndim != 4 or 0 in value.shape:
        raise InputError(
            f"{name} has shape {list(value.shape)}: [{axes}] is needed, every axis non-empty"
        )


def _check_spectrum(
    spectrum: KernelSpectrum, grid: Grid, kernel: Kernel, height: int, width: int
) -> None:
    c_out, c_in = spectrum.parts.real.shape[1:3]
    if spectrum.grid == grid and (c_in, c_out) == kernel.shape[2:]:
        return
    raise InputError(
        f"the spectrum is of another kernel size, number of channels ({c_in} to {c_out}) or frame "
        f"size than a kernel {list(kernel.shape)} on {height}x{width} pixels: call "
        f"kernel_spectrum(kernel, {height}, {width})"
    )


def _convolve_direct(x: Input, kernel: Kernel, compute_dtype: str) -> Output:
    # Channels last is the only layout in which XLA's CPU convolution is fast.
    y = convolve_direct(jnp.moveaxis(x, 1, -1), jnp.asarray(kernel), compute_dtype)
    return jnp.moveaxis(y, -1, 1)
