"""What reuse could save at best: the work left when exactly what saw a change is computed."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.reuse.evaluate import kernel_shape
from rsf_jax.reuse.graph import CHANNELS
from rsf_jax.reuse.products import products
from rsf_jax.reuse.program import Program
from rsf_jax.reuse.stages import Stage
from rsf_jax.reuse.tiling import sees_change
from rsf_jax.typing import Array


class Work(NamedTuple):
    """Multiply-adds of convolutions and dense layers, as shares of all of them.

    What is computed for every frame whatever has changed, behind the last map or of the whole
    frame, is part of both.

    Attributes:
        pixels: those of pixels that see a changed one, grown from layer to layer.
        box: those of the smallest box around them, as in Khachatourian 2019.
    """

    pixels: float
    box: float


def multiply_adds(program: Program) -> np.ndarray:
    """Returns the multiply-adds of every stage for one batch of frames, float64 [stages]."""
    return np.array([_multiply_adds(stage) for stage in program.stages])


def always(program: Program) -> float:
    """Returns the multiply-adds of what is computed for every batch of frames, come what may."""
    return float(sum(map(products, program.end)))


def share_of_work(program: Program, computed: Array) -> float:
    """Returns the share of all multiply-adds that a frame had computed.

    Args:
        program: of the network.
        computed: float [stages], as `ReuseState.computed` has it.
    """
    adds, rest = multiply_adds(program), always(program)
    return float((np.asarray(computed) @ adds + rest) / max(adds.sum() + rest, 1))


def _multiply_adds(stage: Stage) -> float:
    if not stage.is_convolution:
        return 0.0
    return float(math.prod(stage.node.shape[:CHANNELS]) * math.prod(kernel_shape(stage)))


def work_left(program: Program, frames: Iterable[np.ndarray]) -> Work:
    """Simulates a sequence, without computing it.

    Args:
        program: of the network.
        frames: float [B, H, W, C] each; the first one is what the second is compared with.

    Returns:
        Means over all frames but the first.
    """
    weights, rest = multiply_adds(program), always(program)
    total = max(weights.sum() + rest, 1)
    frames = list(frames)
    grow = jax.jit(lambda changed: _shares(program.stages, changed))
    found = [
        (np.asarray(grow(jnp.asarray((new != old).any(-1)))) @ weights + rest) / total
        for old, new in itertools.pairwise(frames)
    ]
    return Work(*np.mean(found, axis=0).tolist())


def _shares(stages: Sequence[Stage], changed: Array) -> Array:
    """Share of every map that sees a change, by pixels and by boxes, [2, stages]."""
    shares = []
    for as_seen in (lambda mask: mask, _box):
        masks = {stages[0]: as_seen(changed)}
        for stage in stages[1:]:
            masks[stage] = as_seen(sees_change(stage, (1, 1), masks))
        shares.append(jnp.stack([masks[stage].mean() for stage in stages]))
    return jnp.stack(shares)


def _box(mask: Array) -> Array:
    """The smallest box around the true pixels of each image."""
    mask = jnp.asarray(mask)
    rows, columns = mask.any(2), mask.any(1)
    return _between(rows)[:, :, None] & _between(columns)[:, None, :]


def _between(line: jax.Array) -> jax.Array:
    from_left = jnp.cumsum(line, axis=1) > 0
    from_right = jnp.cumsum(line[:, ::-1], axis=1)[:, ::-1] > 0
    return from_left & from_right
