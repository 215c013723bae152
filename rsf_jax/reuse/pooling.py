"""Pooling over windows of pixels, and over channels."""

import math
from typing import Any

import jax.numpy as jnp

from rsf_jax.reuse.borders import without_border
from rsf_jax.reuse.graph import BATCH, CHANNELS, COLUMNS, ROWS, Node, Pooling, Reach, View
from rsf_jax.reuse.views import NotLocal, arranged, as_map, is_of_pixels, layout_of, of_channels


def pooled(x: View, eqn: Any, name: str) -> View:
    """Returns the largest or smallest values, or the sums, of windows over a map.

    Raises:
        NotLocal: if it is not one of rows and columns, or of channels alone.
    """
    params, kind = eqn.params, eqn.primitive.name.removeprefix("reduce_window_")
    whats = ("window_dimensions", "window_strides", "window_dilations")
    names = [what if what in params else "window_dilation" for what in whats]
    reaches = [
        Reach(*numbers, *padding)
        for *numbers, padding in zip(*(params[what] for what in names), params["padding"])
    ]
    if any(d != 1 for d in params["base_dilation"]):
        raise NotLocal("pooling with base dilation")
    windows = [p for p, reach in enumerate(reaches) if reach != Reach()]
    if not any(is_of_pixels(x, p) for p in windows):
        return _over_channels(x, eqn, name)
    x = as_map(x, _map_like(x), name)
    layout = layout_of(x)
    by_axis = dict(zip(layout, reaches))
    if by_axis[BATCH] != Reach() or by_axis[CHANNELS] != Reach():
        raise NotLocal("pooling over channels and pixels, or the batch")
    node, sign = x.node, kind == "min"
    if sign:
        node = of_channels(View(node, layout, x.shape), jnp.negative, name)
    rows, columns = by_axis[ROWS], by_axis[COLUMNS]
    node, (rows, columns) = without_border(
        node, (rows, columns), 0.0 if kind == "sum" else -math.inf
    )
    shape = tuple(eqn.outvars[0].aval.shape[layout.index(a)] for a in range(4))
    op = Pooling(rows, columns, kind != "sum")
    node = Node(op, (node,), shape, x.node.dtype, f"{name}/{kind}_pool")
    view = View(node, layout, eqn.outvars[0].aval.shape)
    return View(of_channels(view, jnp.negative, name), layout, view.shape) if sign else view


def _map_like(x: View) -> tuple[int, ...]:
    """What the four axes of a map are, those of which size and name say nothing in their order."""
    if len(x.shape) != 4:
        raise NotLocal("pooling of what has not four axes")
    wanted: list[int | None] = [
        None if a is None or (a >= CHANNELS and x.shape[p] == 1) else min(a, CHANNELS)
        for p, a in enumerate(layout_of(x))
    ]
    missing = [a for a in (BATCH, ROWS, COLUMNS, CHANNELS) if a not in wanted]
    if len(missing) != wanted.count(None):
        raise NotLocal("pooling of what is no map")
    left = iter(missing)
    return tuple(next(left) if a is None else a for a in wanted)


def _over_channels(x: View, eqn: Any, name: str) -> View:
    params = dict(eqn.params)
    positions = list(range(len(x.shape)))
    channels = [p for p in positions if not is_of_pixels(x, p)]
    x = arranged(x, channels, name, channels)
    for what in ("window_dimensions", "window_strides", "window_dilation", "base_dilation"):
        params[what] = (1, 1, 1, *(params[what][p] for p in channels))
    params["padding"] = ((0, 0),) * 3 + tuple(params["padding"][p] for p in channels)
    node = of_channels(x, lambda v: eqn.primitive.bind(v, **params), name)
    return View(node, x.layout, eqn.outvars[0].aval.shape)
