"""Convolution in the frequency domain: exact up to rounding, with far less arithmetic.

A frame is cut into N tiles of P x Q frequencies, of which R = Q // 2 + 1 columns are kept:

    x [B, C_in, H, W] --product with a DFT matrix along W, FFT along H--> X [B, M, C_in, R, N, P]
    Y[r, o, ..., p] = sum_c S[r, o, c, p] X[..., c, r, ..., p]
    Y [R, C_out, B, M, N, P] --inverse FFT, product with a DFT matrix--> y [B, C_out, H, W]

(N tiles along H, M along W). On a CPU this is faster than two-dimensional transforms: the product
with a matrix takes and gives any width without padding, and leaves the columns' frequencies
in front, where a piece of the spectrum is read once for the whole batch.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.tiles import Tiles, add_windows, blocks, join_blocks, tile_axis, windows
from rsf_jax.typing import Array, Complex, FeatureMap, Float, Kernel, Spectrum

Input = Float[Array, "B C_in H W"]
Output = Float[Array, "B C_out H W"]
TileSpectra = Complex[Array, "B M C R N P"]

# Longest transforms, in pixels. Rows: longer spectra take too long to read. Columns: the product
# with a matrix costs in proportion to the length.
_LONGEST_ROWS = 96
_LONGEST_COLUMNS = 160
# Sums of up to this many products are written out, as one loop over frequencies; longer ones are
# matrix products.
_LONGEST_SUM = 32


class Grid(NamedTuple):
    """The tiles of a frame."""

    rows: Tiles
    columns: Tiles


def tile_grid(kernel_height: int, kernel_width: int, height: int, width: int) -> Grid:
    """Returns the tiles of a frame of the given size in pixels."""
    return Grid(
        tile_axis(height, kernel_height, _LONGEST_ROWS, fast=True),
        tile_axis(width, kernel_width, _LONGEST_COLUMNS, fast=False),
    )


def spectrum_of(kernel: Kernel, grid: Grid) -> Spectrum:
    """Returns the transfer function of a kernel, complex64 [R, C_out, C_in, P].

    `S[v, o, c, u] = sum_{k, l} kernel[k, l, c, o] exp(2 pi i (u (k - a) / P + v (l - b) / Q))`

    The positive exponent makes the product with it a cross-correlation. Where a single tile spans
    the frame the offsets a, b centre the kernel; elsewhere they are zero.
    """
    by_row = _kernel_dft(grid.rows, grid.rows.period, kernel.shape[0])
    by_column = _kernel_dft(grid.columns, grid.columns.period // 2 + 1, kernel.shape[1])
    # Products with small matrices: a kernel is small beside a frame. And real ones, because XLA's
    # products of complex matrices are many times slower on a CPU.
    half = jnp.einsum("zvl,klco->vockz", _parts(by_column), kernel, precision="highest")
    real, imag = _parts(by_row)
    to_real, to_imag = np.stack([real, -imag], -1), np.stack([imag, real], -1)
    return lax.complex(
        jnp.einsum("vockz,ukz->vocu", half, to_real, precision="highest"),
        jnp.einsum("vockz,ukz->vocu", half, to_imag, precision="highest"),
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_spectral(x: Input, spectrum: Spectrum, grid: Grid) -> Output:
    """Cross-correlates x [B, C_in, H, W] with the kernel of a spectrum, under zero padding."""
    rows, columns = grid
    products = jnp.fft.ifft(_apply(spectrum, _transform(x, grid)))
    by_column = join_blocks(products[..., : rows.stride], rows)
    return join_blocks(_from_columns(by_column, _synthesis(columns)), columns)


def _forward(x: Input, spectrum: Spectrum, grid: Grid) -> tuple[Output, tuple[Input, Spectrum]]:
    return convolve_spectral(x, spectrum, grid), (x, spectrum)


def _backward(grid: Grid, residuals: tuple[Input, Spectrum], dy: Output) -> tuple[Input, Spectrum]:
    """The same way with every linear map transposed."""
    rows, columns = grid
    x, spectrum = residuals
    d = _to_columns(blocks(dy, columns), _synthesis(columns).T)
    d = jnp.fft.fft(_fill(blocks(d, rows), rows.period))

    products = jnp.fft.ifft(_apply(jnp.swapaxes(spectrum, 1, 2).conj(), d))
    by_column = add_windows(products[..., : rows.window], rows)
    dx = add_windows(_from_columns(by_column, _analysis(columns).T), columns)
    # Transforming x again takes less time than keeping its spectra from every step.
    return dx, _outer(d.conj() / rows.period, _transform(x, grid))


convolve_spectral.defvjp(_forward, _backward)


def _transform(x: FeatureMap, grid: Grid) -> TileSpectra:
    z = _to_columns(windows(x, grid.columns), _analysis(grid.columns))
    return jnp.fft.fft(_fill(windows(z, grid.rows), grid.rows.period))


def _to_columns(
    x: Float[Array, "B C H M w"], matrix: Float[np.ndarray, "w zR"]
) -> Complex[Array, "B M C R H"]:
    """Pixels of a row to its frequencies, real and imaginary parts side by side in `matrix`."""
    z = jnp.matmul(x, matrix, precision="highest")
    real, imag = jnp.split(z, 2, axis=-1)
    return jnp.einsum("bchmr->bmcrh", lax.complex(real, imag))


def _from_columns(
    z: Complex[Array, "R C B M H"], matrix: Float[np.ndarray, "zR w"]
) -> Float[Array, "B C H M w"]:
    """Frequencies of a row to its pixels."""
    parts = jnp.stack([z.real, z.imag])
    matrix = matrix.reshape(2, z.shape[0], -1)
    return jnp.einsum("zrcbmh,zrw->bchmw", parts, matrix, precision="highest")


def _apply(spectrum: Spectrum, x: TileSpectra) -> Complex[Array, "R C_out B M N P"]:
    """Sums over the channels that go in, at every frequency."""
    c_in = spectrum.shape[2]
    if c_in > _LONGEST_SUM:
        return jnp.einsum("rocp,bmcrnp->robmnp", spectrum, x)
    by_frequency = [jnp.einsum("bmrnp->rbmnp", x[:, :, c])[:, None] for c in range(c_in)]
    return _sum(c_in, lambda c: spectrum[:, :, c, None, None, None] * by_frequency[c])


def _outer(d: Complex[Array, "B M C_out R N P"], x: Complex[Array, "B M C_in R N P"]) -> Spectrum:
    """Sums over batch and tiles, at every frequency: the cotangent of a spectrum."""
    batch, across, _, _, down, _ = x.shape
    if batch * across * down > _LONGEST_SUM:
        return jnp.einsum("bmornp,bmcrnp->rocp", d, x)

    def term(i: int) -> Array:
        b, m, n = np.unravel_index(i, (batch, across, down))
        return (
            jnp.swapaxes(d[b, m, :, :, n], 0, 1)[:, :, None]
            * jnp.swapaxes(x[b, m, :, :, n], 0, 1)[:, None]
        )

    return _sum(batch * across * down, term)


def _sum(count: int, term: Callable[[int], Array]) -> Array:
    """Written out: of this XLA makes one loop over frequencies, without temporaries."""
    total = term(0)
    for i in range(1, count):
        total = total + term(i)
    return total


def _fill(x: Complex[Array, "*axes w"], period: int) -> Complex[Array, "*axes P"]:
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, period - x.shape[-1])])


def _kernel_dft(tiles: Tiles, frequencies: int, taps: int) -> np.ndarray:
    """exp(2 pi i u (k - a) / P) [frequencies, taps]."""
    offsets = np.arange(taps) - (taps // 2 if tiles.count == 1 else 0)
    return np.exp(1j * _angles(np.arange(frequencies), offsets, tiles.period))


def _analysis(columns: Tiles) -> Float[np.ndarray, "w zR"]:
    """From the pixels of a window to its frequencies."""
    angles = _angles(np.arange(columns.window), np.arange(columns.period // 2 + 1), columns.period)
    return np.concatenate([np.cos(angles), -np.sin(angles)], 1).astype(np.float32)


def _synthesis(columns: Tiles) -> Float[np.ndarray, "zR w"]:
    """From the frequencies of a window to the pixels of its block."""
    period = columns.period
    angles = _angles(np.arange(period // 2 + 1), np.arange(columns.stride), period)
    # Every frequency but the first, and the last of an even period, stands for its conjugate too.
    weights = np.full((period // 2 + 1, 1), 2.0 / period)
    weights[0] /= 2
    if period % 2 == 0:
        weights[-1] /= 2
    matrix = np.concatenate([weights * np.cos(angles), -weights * np.sin(angles)])
    return matrix.astype(np.float32)


def _angles(a: np.ndarray, b: np.ndarray, period: int) -> np.ndarray:
    # In float64: float32 products of large integers would cost accuracy.
    return 2 * np.pi * np.outer(a, b) / period


def _parts(values: np.ndarray) -> np.ndarray:
    return np.stack([values.real, values.imag]).astype(np.float32)
