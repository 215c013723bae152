"""Overlap-save along one axis: windows that overlap go in, blocks that do not come out."""

import dataclasses

import jax
import jax.numpy as jnp

from rsf_jax.ops.held import as_varying
from rsf_jax.typing import Array, Num

Line = Num[Array, "*axes L"]
Tiled = Num[Array, "*axes N P"]


@dataclasses.dataclass(frozen=True)
class Tiles:
    """How one axis of a frame is cut.

    Attributes:
        size: pixels of the axis.
        count: number of tiles N.
        stride: results of each tile, which is also the distance from one tile to the next.
        window: pixels each tile sees.
        period: length of its transform, at least `window`.
        halo: pixels that a window has before its results. A single tile needs none: what wraps
            around in its transform falls into the rest of its period.
    """

    size: int
    count: int
    stride: int
    window: int
    period: int
    halo: int


def tile_axis(size: int, kernel_size: int, longest: int, *, multiple: int = 1) -> Tiles:
    """Cuts an axis into the fewest tiles whose transforms are not longer than `longest`.

    Args:
        size: pixels of the axis.
        kernel_size: pixels of the kernel, odd.
        longest: bound of the period. Tiles keep at least as many results as they have overlap, and
            exceed it where the kernel is too long for that.
        multiple: of what the period shall be a multiple.
    """
    radius = kernel_size // 2
    count = -(-size // max(longest - 2 * radius, 2 * radius, 1))
    if count == 1 or size + radius <= longest:
        return Tiles(size, 1, size, size, _round_up(size + radius, multiple), 0)
    stride = -(-size // count)
    window = stride + 2 * radius
    return Tiles(size, -(-size // stride), stride, window, _round_up(window, multiple), radius)


def windows(x: Line, tiles: Tiles) -> Tiled:
    """Returns the window of every tile [..., N, P], zero beyond the frame."""
    if tiles.count == 1:
        return _pad(x, tiles.halo, tiles.window - tiles.halo - tiles.size)[..., None, :]
    # A window begins with a block and goes on with those next to it.
    reach = -(-tiles.window // tiles.stride)
    length = (tiles.count + reach - 1) * tiles.stride
    padded = _pad(x, tiles.halo, length - tiles.halo - tiles.size)
    by_block = padded.reshape(*x.shape[:-1], -1, tiles.stride)
    pieces = [
        by_block[..., i : i + tiles.count, : tiles.window - i * tiles.stride] for i in range(reach)
    ]
    return jnp.concatenate(pieces, axis=-1)


def add_windows(y: Tiled, tiles: Tiles) -> Line:
    """Adds up windows where they overlap: the transpose of `windows`."""
    line = as_varying(jnp.zeros((*y.shape[:-2], tiles.size), y.dtype), y)
    return jax.linear_transpose(lambda x: windows(x, tiles), line)(y)[0]


def blocks(x: Line, tiles: Tiles) -> Tiled:
    """Returns what belongs to every tile [..., N, stride], zero beyond the frame."""
    padded = _pad(x, 0, tiles.count * tiles.stride - tiles.size)
    return padded.reshape(*x.shape[:-1], tiles.count, tiles.stride)


def join_blocks(y: Tiled, tiles: Tiles) -> Line:
    """Puts blocks [..., N, stride] side by side: the transpose of `blocks`."""
    return y.reshape(*y.shape[:-2], -1)[..., : tiles.size]


def _pad(x: Line, before: int, after: int) -> Num[Array, "*axes L+{before}+{after}"]:
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
