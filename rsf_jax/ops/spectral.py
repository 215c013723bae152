"""Convolution in the frequency domain: exact up to rounding, with far less arithmetic.

A frame is cut into N tiles along H and M along W, which overlap. Each is transformed to P x R
frequencies; of those along W half and one are kept, because pixels are real:

    x [B, C_in, H, W] --matrix along W--> --matrix along H--> X [B, M, C_in, R, N, 2 P]
    Y[r, o, ..., p] = sum_c S[r, o, c, p] X[..., c, r, ..., p]
    Y [R, C_out, B, M, N, 2 P] --matrix along H--> --matrix along W--> y [B, C_out, H, W]

Real and imaginary parts lie side by side on the last axis. Transforms are products with matrices
rather than fast ones: short as they are, they use all cores and vectors, take and give any length
without padding, and put the axes where the next operation wants them. Frequencies along W come
first, so that each piece of a spectrum is read once for the whole batch.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.ops import portable
from rsf_jax.ops.linear import bilinear
from rsf_jax.ops.tiles import Tiles, add_windows, blocks, join_blocks, tile_axis, windows
from rsf_jax.typing import Array, Float, Kernel

Input = Float[Array, "B C_in H W"]
Output = Float[Array, "B C_out H W"]
TileSpectra = Float[Array, "B M C R N twoP"]
Products = Float[Array, "R C_out B M N twoP"]

# Longest transforms, in pixels: the product with a matrix costs in proportion to the length, and
# longer spectra take longer to read. Measured: docs/speed.md.
LONGEST_ROWS = 48
LONGEST_COLUMNS = 160
# A multiple of the floats in a processor's vectors, which run along P.
_VECTOR = 16
# Sums of up to this many products are written out, as one loop over frequencies. With more, XLA's
# loops become many times slower: sums over channels are then formed in groups, sums over images
# and tiles as matrix products. Measured: docs/speed.md.
_LONGEST_SUM = 48
_GROUP = 16


class Grid(NamedTuple):
    """The tiles of a frame."""

    rows: Tiles
    columns: Tiles


class Spectrum(NamedTuple):
    """Transfer function of a kernel at R frequencies along W and P along H.

    Two arrays: taking the parts of a complex one apart would cost a copy at every step.
    """

    real: Float[Array, "R C_out C_in P"]
    imag: Float[Array, "R C_out C_in P"]


def tile_grid(kernel_height: int, kernel_width: int, height: int, width: int) -> Grid:
    """Returns the tiles of a frame of the given size in pixels."""
    return Grid(
        tile_axis(height, kernel_height, LONGEST_ROWS, multiple=_VECTOR),
        tile_axis(width, kernel_width, LONGEST_COLUMNS),
    )


def spectrum_of(kernel: Kernel, grid: Grid) -> Spectrum:
    """Returns the transfer function of a kernel.

    `S[v, o, c, u] = sum_{k, l} kernel[k, l, c, o] exp(2 pi i (u (k - a) / P + v (l - b) / Q))`

    The positive exponent makes the product with it a cross-correlation. Where a single tile spans
    the frame the offsets a, b center the kernel; elsewhere they are zero.
    """
    by_row = _kernel_dft(grid.rows, grid.rows.period, kernel.shape[0])
    by_column = _kernel_dft(grid.columns, grid.columns.period // 2 + 1, kernel.shape[1])
    # Products with small matrices: a kernel is small beside a frame. And real ones, because XLA's
    # products of complex matrices are many times slower on a CPU.
    half = jnp.einsum("zvl,klco->vockz", _parts(by_column), kernel, precision="highest")
    real, imag = _parts(by_row)
    to_real, to_imag = np.stack([real, -imag], -1), np.stack([imag, real], -1)
    return Spectrum(
        jnp.einsum("vockz,ukz->vocu", half, to_real, precision="highest"),
        jnp.einsum("vockz,ukz->vocu", half, to_imag, precision="highest"),
    )


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def convolve_spectral(x: Input, spectrum: Spectrum, grid: Grid) -> Output:
    """Cross-correlates x [B, C_in, H, W] with the kernel of a spectrum, under zero padding.

    It is linear in both. So are its two transposes, `_to_input` and `_to_spectrum`; the derivatives
    of all three are made of each other, in either mode, whatever the order of differentiation.
    """
    rows, columns = grid
    products = _matmul(_apply(spectrum, _transform(x, grid)), _row_synthesis(rows))
    by_column = _rows_outside(*(join_blocks(part, rows) for part in _halves(products)))
    return join_blocks(_matmul(by_column, _column_synthesis(columns)), columns)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _to_input(y: Output, spectrum: Spectrum, grid: Grid) -> Input:
    """The transpose of `convolve_spectral` in x."""
    rows, columns = grid
    adjoint = Spectrum(jnp.swapaxes(spectrum.real, 1, 2), -jnp.swapaxes(spectrum.imag, 1, 2))
    products = _matmul(_apply(adjoint, _transform_output(y, grid)), _row_analysis(rows).T)
    by_column = _rows_outside(*(add_windows(part, rows) for part in _halves(products)))
    return add_windows(_matmul(by_column, _column_analysis(columns).T), columns)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def _to_spectrum(x: Input, y: Output, grid: Grid) -> Spectrum:
    """The transpose of `convolve_spectral` in the spectrum."""
    # Transforming x again takes less time than keeping its spectra from every step.
    # See docs/decisions/0006-memory-of-gradients.md.
    return _outer(_transform_output(y, grid), _transform(x, grid))


bilinear(
    convolve_spectral,
    lambda spectrum, dy, grid: _to_input(dy, spectrum, grid),
    lambda x, dy, grid: _to_spectrum(x, dy, grid),
)
bilinear(
    _to_input,
    lambda spectrum, dx, grid: convolve_spectral(dx, spectrum, grid),
    lambda y, dx, grid: _to_spectrum(dx, y, grid),
)
bilinear(
    _to_spectrum,
    lambda y, ds, grid: _to_input(y, ds, grid),
    lambda x, ds, grid: convolve_spectral(x, ds, grid),
)


def _transform_output(y: Output, grid: Grid) -> Float[Array, "B M C_out R N twoP"]:
    """What `convolve_spectral` makes of products, transposed."""
    rows, columns = grid
    by_row = _rows_inside(_matmul(blocks(y, columns), _column_synthesis(columns).T))
    parts = jnp.concatenate([blocks(part, rows) for part in by_row], -1)
    return _matmul(parts, _row_synthesis(rows).T)


def _transform(x: Float[Array, "B C H W"], grid: Grid) -> TileSpectra:
    rows, columns = grid
    by_row = _rows_inside(_matmul(windows(x, columns), _column_analysis(columns)))
    parts = jnp.concatenate([windows(part, rows) for part in by_row], -1)
    return _matmul(parts, _row_analysis(rows))


def _rows_inside(z: Float[Array, "B C H M twoR"]) -> Iterator[Float[Array, "B M C R H"]]:
    """Real and imaginary parts, rows inside."""
    return (jnp.einsum("bchmr->bmcrh", part) for part in _halves(z))


def _rows_outside(
    real: Float[Array, "R C B M H"], imag: Float[Array, "R C B M H"]
) -> Float[Array, "B C H M twoR"]:
    """The transpose of `_rows_inside`."""
    z = jnp.einsum("zrcbmh->bchmzr", jnp.stack([real, imag]))
    return z.reshape(*z.shape[:4], -1)


def _apply(spectrum: Spectrum, x: TileSpectra) -> Products:
    """Sums over the channels that go in, at every frequency."""
    if portable.is_on():  # elsewhere nobody joins sums to one loop
        return _apply_at_once(spectrum, x)
    re, im = _halves(x)
    real = _product(spectrum.real, re) - _product(spectrum.imag, im)
    imag = _product(spectrum.real, im) + _product(spectrum.imag, re)
    return jnp.concatenate([real, imag], -1)


def _apply_at_once(spectrum: Spectrum, x: TileSpectra) -> Products:
    """The same as one product of real matrices for each frequency."""
    real, imag = spectrum
    matrix = jnp.stack([jnp.stack([real, -imag]), jnp.stack([imag, real])])
    x = x.reshape(*x.shape[:-1], 2, -1)
    y = jnp.einsum("zyrocp,bmcrnyp->robmnzp", matrix, x, precision="highest")
    return y.reshape(*y.shape[:-2], -1)


def _product(
    s: Float[Array, "R C_out C_in P"], x: Float[Array, "B M C_in R N P"]
) -> Float[Array, "R C_out B M N P"]:
    c_in = s.shape[2]
    if c_in <= _LONGEST_SUM:
        return _product_of_few(s, x)
    rest = c_in % _GROUP or _GROUP

    def add_group(i: Array, total: Array) -> Array:
        s_i, x_i = (lax.dynamic_slice_in_dim(a, rest + i * _GROUP, _GROUP, 2) for a in (s, x))
        return total + _product_of_few(s_i, x_i)

    first = _product_of_few(s[:, :, :rest], x[:, :, :rest])
    return lax.fori_loop(0, (c_in - rest) // _GROUP, add_group, first)


def _product_of_few(
    s: Float[Array, "R C_out C_in P"], x: Float[Array, "B M C_in R N P"]
) -> Float[Array, "R C_out B M N P"]:
    def channel(c: int) -> Array:
        by_frequency = jnp.einsum("bmrnp->rbmnp", x[:, :, c])[:, None]
        return s[:, :, c, None, None, None] * by_frequency

    return _sum(s.shape[2], channel)


def _outer(d: Float[Array, "B M C_out R N twoP"], x: Float[Array, "B M C_in R N twoP"]) -> Spectrum:
    """Sums over batch and tiles, at every frequency: the cotangent of a spectrum."""
    d_re, d_im = _halves(d)
    x_re, x_im = _halves(x)
    return Spectrum(
        _outer_product(d_re, x_re) + _outer_product(d_im, x_im),
        _outer_product(d_im, x_re) - _outer_product(d_re, x_im),
    )


def _outer_product(
    d: Float[Array, "B M C_out R N P"], x: Float[Array, "B M C_in R N P"]
) -> Float[Array, "R C_out C_in P"]:
    batch, across, _, _, down, _ = x.shape
    if batch * across * down > _LONGEST_SUM:
        return jnp.einsum("bmornp,bmcrnp->rocp", d, x, precision="highest")

    def tile(i: int) -> Array:
        b, m, n = np.unravel_index(i, (batch, across, down))
        d_i, x_i = (jnp.swapaxes(part[b, m, :, :, n], 0, 1) for part in (d, x))
        return d_i[:, :, None] * x_i[:, None]

    return _sum(batch * across * down, tile)


def _sum(count: int, term: Callable[[int], Array]) -> Array:
    """Written out: of this XLA makes one loop over frequencies, without temporaries."""
    total = term(0)
    for i in range(1, count):
        total = total + term(i)
    return total


def _matmul(x: Array, matrix: Float[np.ndarray, "i j"]) -> Array:
    return jnp.matmul(x, matrix, precision="highest")


def _halves(x: Array) -> tuple[Array, Array]:
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


def _kernel_dft(tiles: Tiles, frequencies: int, taps: int) -> np.ndarray:
    """exp(2 pi i u (k - a) / P) [frequencies, taps]."""
    offsets = np.arange(taps) - (taps // 2 if tiles.count == 1 else 0)
    return np.exp(1j * _angles(np.arange(frequencies), offsets, tiles.period))


def _column_analysis(columns: Tiles) -> Float[np.ndarray, "w twoR"]:
    """From the pixels of a window to its frequencies."""
    angles = _angles(np.arange(columns.window), np.arange(columns.period // 2 + 1), columns.period)
    return np.concatenate([np.cos(angles), -np.sin(angles)], 1).astype(np.float32)


def _column_synthesis(columns: Tiles) -> Float[np.ndarray, "twoR w"]:
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


def _row_analysis(rows: Tiles) -> Float[np.ndarray, "twow twoP"]:
    """From complex values of a window to its frequencies."""
    return _complex_product(-_angles(np.arange(rows.window), np.arange(rows.period), rows.period))


def _row_synthesis(rows: Tiles) -> Float[np.ndarray, "twoP twow"]:
    """From the frequencies of a window to the complex values of its block."""
    angles = _angles(np.arange(rows.period), np.arange(rows.stride), rows.period)
    return _complex_product(angles) / np.float32(rows.period)


def _complex_product(angles: np.ndarray) -> Float[np.ndarray, "twoI twoJ"]:
    """What multiplies (real, imag) as exp(i angles) multiplies complex numbers."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.block([[cos, sin], [-sin, cos]]).astype(np.float32)


def _angles(a: np.ndarray, b: np.ndarray, period: int) -> np.ndarray:
    # In float64: float32 products of large integers would cost accuracy.
    return 2 * np.pi * np.outer(a, b) / period


def _parts(values: np.ndarray) -> np.ndarray:
    return np.stack([values.real, values.imag]).astype(np.float32)
