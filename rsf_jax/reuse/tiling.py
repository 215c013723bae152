"""Which tiles of a map have to be computed anew."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from rsf_jax.reuse.graph import COLUMNS, ROWS, Reach
from rsf_jax.reuse.maps import Rectangle
from rsf_jax.reuse.sampling import Sampling
from rsf_jax.reuse.stages import Stage
from rsf_jax.typing import Array


class Tiling(NamedTuple):
    """How a stage's map is cut.

    Attributes:
        batch: frames processed together.
        size: height and width of the map.
        tile: height and width of a tile. Tiles at the lower and right border are moved inwards, so
            that all have this size.
    """

    batch: int
    size: tuple[int, int]
    tile: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int, int]:
        """Frames, and tiles in a column and in a row."""
        rows, columns = (-(-n // t) for n, t in zip(self.size, self.tile))
        return self.batch, rows, columns

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(self.grid)

    def place(self, index: Array) -> Rectangle:
        """Returns the rectangles of tiles, given their numbers [n]."""
        b, i, j = jnp.unravel_index(index, self.grid)
        (height, width), (th, tw) = self.size, self.tile
        start = (b, jnp.minimum(i * th, height - th), jnp.minimum(j * tw, width - tw))
        return Rectangle(start, (1, th, tw))


def tiling(stage: Stage, side: int) -> Tiling:
    """Cuts the map of a stage into tiles of at most `side` pixels."""
    height, width = stage.size
    return Tiling(stage.batch, stage.size, (min(side, height), min(side, width)))


def tiles_to_compute(
    stage: Stage, cut: Tiling, changed: Mapping[Stage, Array]
) -> tuple[Array, Array]:
    """Finds the tiles that see a change.

    Args:
        stage: what is to be computed.
        cut: how its map is cut.
        changed: for each earlier stage bool [B, H, W], which pixels have changed.

    Returns:
        int32 [N], the numbers of these tiles, followed by anything; and int32, how many they are.
    """
    found = sees_change(stage, cut.tile, changed).reshape(-1)
    (indices,) = jnp.nonzero(found, size=cut.tiles, fill_value=0)
    return indices.astype(jnp.int32), found.sum(dtype=jnp.int32)


def sees_change(stage: Stage, tile: tuple[int, int], changed: Mapping[Stage, Array]) -> Array:
    """Returns which tiles of a stage read a changed pixel.

    Args:
        stage: what is to be computed.
        tile: height and width of a tile in pixels.
        changed: for each earlier stage bool [B, H, W], which pixels have changed.

    Returns:
        bool [B, tiles in a column, tiles in a row].
    """
    all_pixels = (stage.batch, *stage.size)
    seen = [
        _seen(jnp.broadcast_to(changed[s], all_pixels), stage.size, tile, Reach(), Reach())
        for s in stage.beside
    ]
    if stage.source is not None:
        mask, reaches = changed[stage.source], []
        for axis, reach in zip((ROWS, COLUMNS), (stage.op.rows, stage.op.columns)):
            if isinstance(reach, Sampling):
                mask, reach = reach.changes(mask, axis), Reach()
            reaches.append(reach)
        seen.append(_seen(mask, stage.size, tile, *reaches))
    return jnp.stack(seen).any(0)


def _seen(
    changed: Array, size: tuple[int, int], tile: tuple[int, int], rows: Reach, columns: Reach
) -> Array:
    for axis, reach, outputs, side in zip((1, 2), (rows, columns), size, tile):
        tiles = -(-outputs // side)
        span, stride = reach.span(side), side * reach.stride
        after = (tiles - 1) * stride + span - reach.before - changed.shape[axis]
        padding = [(0, 0, 0)] * 3
        padding[axis] = (reach.before, after, 0)
        padded = lax.pad(jnp.asarray(changed), False, padding)
        window, strides = [1, 1, 1], [1, 1, 1]
        window[axis], strides[axis] = span, stride
        changed = lax.reduce_window(padded, False, lax.bitwise_or, window, strides, "VALID")
    return jnp.asarray(changed)
