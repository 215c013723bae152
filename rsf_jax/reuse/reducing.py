"""Statistics of channels, of whole rows and of whole columns."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.reuse.graph import BATCH, CHANNELS, COLUMNS, ROWS, Node, Reach, Reduction, View
from rsf_jax.reuse.views import NotLocal, arranged, channel_positions, layout_of, of_channels
from rsf_jax.typing import Array


def reduced(x: View, eqn: Any, name: str) -> View:
    """Returns statistics of channels, whole rows or whole columns of a map.

    Raises:
        NotLocal: if they are of the batch.
    """
    axes = tuple(map(int, eqn.params["axes"]))
    constant = [p for p in axes if layout_of(x)[p] is None]
    x = arranged(x, sorted({*channel_positions(x), *constant}), name, constant)
    layout = layout_of(x)
    if any(layout[p] == BATCH and x.shape[p] > 1 for p in axes):
        raise NotLocal("statistics of the batch")
    over = sorted(a for p, a in enumerate(layout) if p in axes and a is not None)
    pixels = [a for a in over if a < CHANNELS]
    if len(over) > 1 and eqn.primitive.name in ("argmax", "argmin"):
        raise NotLocal("places of largest values in whole maps")
    params = dict(eqn.params, axes=tuple(over))

    def apply(v: Array) -> jax.Array:
        return jnp.expand_dims(eqn.primitive.bind(v, **params), pixels)

    view = View(x.node, x.layout, x.shape)
    if [a for a in pixels if a != BATCH]:
        node = _statistics(x.node, pixels, apply, eqn.primitive.name, name)
    else:
        node = of_channels(view, apply, name)
    left = [a for p, a in enumerate(layout) if p not in axes]
    kept = sorted(a for a in left if a is not None and a >= CHANNELS)
    new = (a if a is None or a < CHANNELS else CHANNELS + kept.index(a) for a in left)
    return View(node, tuple(new), eqn.outvars[0].aval.shape)


def _statistics(node: Node, over: Sequence[int], apply: Any, what: str, name: str) -> Node:
    found = jax.eval_shape(apply, jax.ShapeDtypeStruct(node.shape, node.dtype))
    rows, columns = (
        Reach(node.shape[axis]) if axis in over else Reach() for axis in (ROWS, COLUMNS)
    )
    what = what.removeprefix("reduce_")
    return Node(
        Reduction(rows, columns, apply), (node,), found.shape, found.dtype, f"{name}/{what}"
    )
