"""How a stage is cut into tiles and when its whole map is computed: a model of what either costs.

The constants are of two cores of an AMD EPYC with AVX2, JAX 0.10.2; only their ratios matter.
"""

import math
from typing import NamedTuple

from rsf_jax.reuse.evaluate import kernel_shape, uses_spectrum
from rsf_jax.reuse.graph import Pooling, Reduction, Resampling
from rsf_jax.reuse.stages import Stage
from rsf_jax.reuse.tiling import Tiling, tiling

# Measured: docs/decisions/0019-reuse-under-xla.md.
# Sides of tiles in pixels, for maps that are computed of few channels and of more. Larger ones
# compute more that has not changed; smaller ones take longer for a pixel, the longer the less there
# is to compute at each.
_LARGE, _SMALL, _FEW = 8, 4, 64

# Milliseconds: for a million multiply-adds of a convolution of the whole, of tiles, and of tiles of
# few channels.
_WHOLE, _TILES, _TILES_FEW = 0.0125, 0.0135, 0.02
# The whole in the frequency domain, relative to direct convolution.
_SPECTRAL = 0.1
# For a million values of a map, read or written, and for a megabyte of kernel, which every call
# brings into another order.
_VALUES, _KERNEL = 1.0, 0.23
# For every tile and every call.
_TILE, _CALL = 0.012, 0.03
# For finding what is due of a stage, whatever it is.
LOOK = 0.1
# Tiles computed together that are compared, and shares of tiles that are due.
_TOGETHER = (1, 2, 4, 6, 8, 12, 16)
_GIVEN_TOGETHER = 8
_SHARES = (0.03, 0.06, 0.12, 0.25, 0.5)


class Tuning(NamedTuple):
    """How a stage is brought up to date.

    Attributes:
        cut: its tiles.
        together: tiles that are computed together.
        most: the most tiles that are computed as such; where more are due, the whole is.
    """

    cut: Tiling
    together: int
    most: int


def tune(stage: Stage, side: int | None = None) -> Tuning:
    """Chooses how a stage is brought up to date.

    Args:
        stage: the stage.
        side: height and width of a tile in pixels, whatever it costs; None to choose.
    """
    cut = tiling(stage, side or (_LARGE if _channels(stage) <= _FEW else _SMALL))
    if cut.tiles == 1:
        return Tuning(cut, 1, 0)
    if side is not None:
        return Tuning(cut, min(_GIVEN_TOGETHER, cut.tiles), cut.tiles - 1)
    together = min(_TOGETHER, key=lambda n: sum(_tiles(stage, cut, n, s) for s in _SHARES))
    together = min(together, cut.tiles)
    whole, call = time_of_whole(stage), time_of_tiles(stage, cut, together)
    calls = range(-(-cut.tiles // together) + 1)
    affordable = max(c for c in calls if c == 0 or c * call <= whole)
    return Tuning(cut, together, min(affordable * together, cut.tiles))


def _channels(stage: Stage) -> int:
    """What the size of tiles depends on: channels of the map that a window slides over."""
    return stage.channels if stage.source is None else stage.source.channels


def _tiles(stage: Stage, cut: Tiling, together: int, share: float) -> float:
    """Time for a share of the tiles."""
    return math.ceil(share * cut.tiles / together) * time_of_tiles(stage, cut, together)


def time_of_tiles(stage: Stage, cut: Tiling, together: int) -> float:
    """Returns the milliseconds of so many tiles of a stage, computed together."""
    pixels = together * math.prod(cut.tile)
    rate = _TILES_FEW if _channels(stage) <= _FEW else _TILES
    time = _CALL + _kernel(stage) + together * _TILE + _work(stage, pixels, rate)
    if stage.source is not None and isinstance(stage.op, Resampling):
        # A tile may read far more than it has pixels, as one whose rows come from both ends does.
        seen = math.prod(r.span(n) for r, n in zip((stage.op.rows, stage.op.columns), cut.tile))
        time += _VALUES * 1e-6 * together * seen * stage.source.channels
    return time


def time_of_whole(stage: Stage) -> float:
    """Returns the milliseconds of a stage's whole map."""
    rate = _WHOLE * _SPECTRAL if uses_spectrum(stage) else _WHOLE
    return _CALL + _kernel(stage) + _work(stage, stage.batch * math.prod(stage.size), rate)


def time_of_products(multiply_adds: float) -> float:
    """Returns the milliseconds of so many multiply-adds of what is always computed."""
    return _WHOLE * 1e-6 * multiply_adds


def _kernel(stage: Stage) -> float:
    return _KERNEL * math.prod(kernel_shape(stage)) * 4e-6 if stage.is_convolution else 0.0


def _work(stage: Stage, pixels: int, rate: float) -> float:
    """Time to compute so many pixels."""
    time = _VALUES * 1e-6 * pixels * stage.channels
    if stage.is_convolution:
        height, width, inputs, outputs = kernel_shape(stage)
        return time + rate * 1e-6 * pixels * height * width * inputs * outputs
    if stage.window is None:
        return time
    op = stage.op
    if isinstance(op, Pooling | Reduction):  # values read for each that is written
        time *= op.rows.size * op.columns.size
    return time
