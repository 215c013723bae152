"""Operations along axes of maps: slices, borders, repetition, order among channels."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.reuse.graph import CHANNELS, Node, View
from rsf_jax.reuse.meeting import Keep, concatenated, met
from rsf_jax.reuse.views import (
    NotLocal,
    arranged,
    channel_positions,
    known,
    layout_of,
    of_channels,
    select,
)
from rsf_jax.typing import Array


def sliced(x: View, rest: Sequence[Any], eqn: Any, name: str) -> list[View] | None:
    """Returns parts of a map, or a map repeated or in reverse; None if it is none of these."""
    primitive, params = eqn.primitive.name, eqn.params
    if primitive == "split":
        ends = np.cumsum(params["sizes"])
        starts = ends - np.asarray(params["sizes"])
        axis = int(params["axis"])
        return [select(x, axis, np.arange(a, b), name) for a, b in zip(starts, ends)]
    if primitive == "unstack":
        axis = int(params["axis"])
        ones = (select(x, axis, np.array([i]), name) for i in range(x.shape[axis]))
        return [_without(one, axis, name) for one in ones]
    indices: list[np.ndarray]
    if primitive == "tile":
        indices = [np.tile(np.arange(n), r) for n, r in zip(x.shape, params["reps"])]
    elif primitive == "slice":
        strides = params["strides"] or (1,) * len(x.shape)
        limits = zip(params["start_indices"], params["limit_indices"], strides)
        indices = [np.arange(*limit) for limit in limits]
    elif primitive == "dynamic_slice":
        sizes = params["slice_sizes"]
        starts = [int(known(start)) for start in rest]
        indices = [
            np.clip(start, 0, n - size) + np.arange(size)
            for start, size, n in zip(starts, sizes, x.shape)
        ]
    elif primitive == "rev":
        turned = params["dimensions"]
        indices = [np.arange(n)[:: -1 if p in turned else 1] for p, n in enumerate(x.shape)]
    else:
        return None
    for position, index in enumerate(indices):
        x = select(x, position, index, name)
    return [x]


def padded(x: View, value: Any, borders: Sequence[Sequence[Any]], name: str) -> View:
    """Returns a map with a border of a number, or without some of its own."""
    fill = float(known(value))
    for position, border in enumerate(borders):
        before, after, between = map(int, border)
        size = x.shape[position]
        index = np.full(max(size + (size - 1) * between, 0), -1)
        index[:: between + 1] = np.arange(size)
        index = np.pad(index, (max(before, 0), max(after, 0)), constant_values=-1)
        index = index[max(-before, 0) : len(index) - max(-after, 0)]
        x = select(x, position, index, name, fill)
    return x


def gathered(x: View, places: Any, eqn: Any, name: str) -> View:
    """Returns some values along one axis, as of an array of indices."""
    params, numbers = eqn.params, eqn.params["dimension_numbers"]
    index, sizes = known(places), params["slice_sizes"]
    axes = numbers.start_index_map
    batching = (*numbers.operand_batching_dims, *numbers.start_indices_batching_dims)
    if batching or len(axes) != 1 or index.ndim > 2:
        raise NotLocal("indices of several axes")
    position = int(axes[0])
    others = [n for p, n in enumerate(x.shape) if p != position]
    if sizes[position] != 1 or [n for p, n in enumerate(sizes) if p != position] != others:
        raise NotLocal("indices of parts of a map")
    index, shape = index.reshape(-1), eqn.outvars[0].aval.shape
    size = x.shape[position]
    if ((index < 0) | (index >= size)).any():
        if params["mode"] != jax.lax.GatherScatterMode.CLIP:
            raise NotLocal("indices beyond a map")
        index = np.clip(index, 0, size - 1)
    x = select(x, position, index, name)
    kept = numbers.offset_dims  # where the other axes, and this one unless it is gone, come to lie
    order = [p for p in range(len(x.shape)) if p != position]
    if numbers.collapsed_slice_dims:
        at = [p for p in range(len(shape)) if p not in kept]
        if not at:
            return _without(x, position, name)
        order.insert(at[0], position)
        return View(x.node, tuple(layout_of(x)[p] for p in order), shape)
    if len(shape) != len(x.shape):
        raise NotLocal("indices of parts of a map")
    return x


def _without(x: View, position: int, name: str) -> View:
    """A map without an axis of size 1."""
    x = arranged(x, [p for p in channel_positions(x) if p != position], name)
    layout = layout_of(x)
    return View(
        x.node,
        (*layout[:position], *layout[position + 1 :]),
        (*x.shape[:position], *x.shape[position + 1 :]),
    )


def broadcasted(x: View, places: Sequence[int], shape: tuple[int, ...], name: str) -> View:
    """Returns a map with further axes, along which all is the same."""
    repeated = [p for p, place in enumerate(places) if x.shape[p] != shape[place]]
    x = arranged(x, [p for p in channel_positions(x) if p not in repeated], name)
    layout: list[int | None] = [None] * len(shape)
    for p, place in enumerate(places):
        layout[place] = None if p in repeated else layout_of(x)[p]
    return View(x.node, tuple(layout), shape)


def stacked(
    args: Sequence[Any], position: int, shape: tuple[int, ...], name: str, keep: Keep
) -> View:
    """Returns maps, and constants, side by side along an axis of their own."""
    one = (*shape[:position], 1, *shape[position + 1 :])
    places = [p for p in range(len(shape)) if p != position]
    parts = [
        broadcasted(x, places, one, name) if isinstance(x, View) else jnp.expand_dims(x, position)
        for x in args
    ]
    return concatenated(parts, position, shape, name, keep)


def along(args: Sequence[Any], eqn: Any, name: str, keep: Keep) -> list[View] | None:
    """Returns sums along, or orders of, channels; None if they are of anything but one map."""
    params = dict(eqn.params)
    what = next(key for key in ("axis", "dimension") if key in params)
    position = int(params[what])
    if len(args) > 1:  # values that are ordered together: as one map
        return _sorted(args, position, eqn, name, keep)
    (x,) = args
    params[what] = _channel(x, position)
    x = arranged(x, sorted({*channel_positions(x), position}), name, [position])
    params[what] = layout_of(x)[position]

    def apply(i: int) -> Any:
        def one(v: Array) -> jax.Array:
            found = eqn.primitive.bind(v, **params)
            return found[i] if eqn.primitive.multiple_results else found

        return one

    nodes: list[Node] = [of_channels(x, apply(i), name) for i in range(len(eqn.outvars))]
    return [View(n, x.layout, var.aval.shape) for n, var in zip(nodes, eqn.outvars)]


def _channel(x: View, position: int) -> int:
    axis = layout_of(x)[position]
    if axis is not None and axis < CHANNELS:
        raise NotLocal("an order or sums along rows, columns or the batch")
    return axis or CHANNELS


def _sorted(
    args: Sequence[Any], position: int, eqn: Any, name: str, keep: Keep
) -> list[View] | None:
    for x in args:
        if isinstance(x, View):
            _channel(x, position)
    params, found = dict(eqn.params), []
    for i, var in enumerate(eqn.outvars):
        # The axis is counted from the last one, which broadcasting leaves where it is.
        shape = var.aval.shape
        if position != len(shape) - 1 or shape[-1] == 1:
            return None

        def one(*xs: Array, i: int = i) -> jax.Array:
            common = jnp.broadcast_shapes(*(x.shape for x in xs))
            full = [jnp.broadcast_to(x, common) for x in xs]
            found = eqn.primitive.bind(*full, **dict(params, dimension=len(common) - 1))
            return jnp.asarray(found[i])

        found.append(met(args, shape, one, name, keep))
    return found
