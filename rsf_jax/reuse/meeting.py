"""What maps and constants have in common where they meet at every pixel."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.reuse.graph import BATCH, CHANNELS, COLUMNS, ROWS, Constant, Layout, Node, View
from rsf_jax.reuse.sampling import Selection
from rsf_jax.reuse.views import (
    NotLocal,
    arranged,
    layout_of,
    pointwise,
    resampled,
    select,
    selections,
    spread,
)
from rsf_jax.typing import Array

# Gives a value that depends on the network alone its place among the graph's constants.
Keep = Callable[[Any], Constant]


def met(
    args: Sequence[Any], shape: tuple[int, ...], apply: Callable[..., Array], name: str, keep: Keep
) -> View:
    """Returns what an operation at every value alone gives.

    Args:
        args: views of maps, and arrays.
        shape: of the result, as the network has it.
        apply: the operation, of arrays whose shapes broadcast.
        name: of the layer.
        keep: for constants.

    Raises:
        NotLocal: if rows, columns and channels of one are not those of others.
    """
    args = [_of_rank(x, shape) if isinstance(x, View) else x for x in args]
    kinds = _kinds(args, len(shape))
    return _view(args, kinds, shape, apply, name, keep, ())


def _of_rank(view: View, shape: tuple[int, ...]) -> View:
    """A single value of every frame as one of every pixel."""
    return view if view.shape else View(view.node, (None,) * len(shape), shape)


def broadcasting(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function of arrays of one shape one of such as broadcast, scalars as they are."""

    def full(*args: Array) -> Any:
        shape = jnp.broadcast_shapes(*(x.shape for x in args))
        return apply(*(x if x.ndim == 0 else jnp.broadcast_to(x, shape) for x in args))

    return full


def concatenated(
    args: Sequence[Any], position: int, shape: tuple[int, ...], name: str, keep: Keep
) -> View:
    """Returns maps, and constants, side by side along an axis.

    Args:
        args: views of maps, and arrays.
        position: the axis.
        shape: of the result.
        name: of the layer.
        keep: for constants.

    Raises:
        NotLocal: if it is the axis of the batch, or they do not meet.
    """
    kinds = _kinds(args, len(shape), position)
    axis = kinds[position]
    if axis == BATCH:
        raise NotLocal("a concatenation along the batch")
    if axis in (ROWS, COLUMNS):
        return _joined(args, position, axis, shape, name, keep)
    place = sum(kind == CHANNELS for kind in kinds[:position]) + CHANNELS

    def apply(*args: Array) -> jax.Array:
        beside = [(*x.shape[:place], 1, *x.shape[place + 1 :]) for x in args]
        common = list(jnp.broadcast_shapes(*beside))
        full = []
        for x in args:
            common[place] = x.shape[place]
            full.append(jnp.broadcast_to(x, common))
        return jnp.concatenate(full, place)

    return _view(args, kinds, shape, apply, name, keep, (position,))


def _joined(
    args: Sequence[Any], position: int, axis: int, shape: tuple[int, ...], name: str, keep: Keep
) -> View:
    """Along rows or columns: parts of one map, as in a reflected border, or of several."""
    args = [spread(x, position, axis, name) if isinstance(x, View) else x for x in args]
    bases = [selections(x.node) if isinstance(x, View) else None for x in args]
    if all(base is not None for base in bases):
        of = [(base[0], base[1].get(axis), _beside(base[1], axis)) for base in bases if base]
        layouts = {x.layout for x in args}
        if len({(node, beside) for node, _, beside in of}) == len(layouts) == 1:
            node, _, beside = of[0]
            parts = [np.arange(node.shape[axis]) if one is None else one.index for _, one, _ in of]
            if not any(one is not None and one.fills for _, one, _ in of):
                joined = Selection(node.shape[axis], np.concatenate(parts))
                for other, same in beside:
                    one = Selection(node.shape[other], np.array(same))
                    node = resampled(node, other, one, node.channels, name)
                node = resampled(node, axis, joined, node.channels, name)
                return View(node, args[0].layout, shape)
    ends = np.cumsum([x.shape[position] for x in args])
    padded: list[Any] = []
    for x, end in zip(args, ends):
        index = np.full(shape[position], -1)
        index[end - x.shape[position] : end] = np.arange(x.shape[position])
        if isinstance(x, View):
            padded.append(select(x, position, index, name))
        else:
            around = [(0, 0)] * x.ndim
            around[position] = (end - x.shape[position], shape[position] - end)
            padded.append(jnp.pad(x, around))
    which = np.searchsorted(ends, np.arange(shape[position]), "right").astype(np.int32)
    which = which.reshape([-1 if p == position else 1 for p in range(len(shape))])
    apply = broadcasting(lambda which, *cases: _chosen(which, cases))
    return met([jnp.asarray(which), *padded], shape, apply, name, keep)


def _beside(found: dict[int, Selection], axis: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """What is selected along the other axis."""
    return tuple((a, tuple(s.index.tolist())) for a, s in found.items() if a != axis)


def _chosen(which: Array, cases: Sequence[Array]) -> Array:
    found = cases[0]
    for i, case in enumerate(cases[1:], 1):
        found = jnp.where(which == i, case, found)
    return found


def _kinds(args: Sequence[Any], rank: int, kept: int | None = None) -> list[int | None]:
    """For every axis whether it is of the batch, rows, columns or channels; None if of nothing."""
    views = [x for x in args if isinstance(x, View)]
    kinds: list[int | None] = [None] * rank
    for view in views:
        for p, axis in enumerate(layout_of(view)):
            if axis is not None and view.shape[p] > 1:
                kind = min(axis, CHANNELS)
                if kinds[p] not in (None, kind):
                    raise NotLocal("maps that meet with other axes")
                kinds[p] = kind
    for view in views:
        for p, axis in enumerate(layout_of(view)):
            if axis is not None and axis < CHANNELS and kinds[p] is None and axis not in kinds:
                kinds[p] = axis
    for axis in (BATCH, ROWS, COLUMNS):
        if kinds.count(axis) > 1:
            raise NotLocal("maps that meet with other axes")
    for p in range(rank):
        varies = any(not isinstance(x, View) and x.ndim and x.shape[p] > 1 for x in args)
        if kinds[p] is None and (varies or p == kept):
            kinds[p] = CHANNELS
    return kinds


def _view(
    args: Sequence[Any],
    kinds: Sequence[int | None],
    shape: tuple[int, ...],
    apply: Callable[..., Array],
    name: str,
    keep: Keep,
    full: tuple[int, ...],
) -> View:
    channels = [p for p, kind in enumerate(kinds) if kind == CHANNELS]
    operands: list[Node | Constant] = []
    shapes: list[Any] = []
    for x in args:
        if isinstance(x, View):
            node = arranged(x, channels, name, full).node
            operands.append(node)
            shapes.append(jax.ShapeDtypeStruct(node.shape, node.dtype))
        else:
            value = _canonical(x, kinds, channels)
            operands.append(keep(value))
            shapes.append(jax.ShapeDtypeStruct(value.shape, value.dtype))
    numbers = iter(range(CHANNELS, CHANNELS + len(channels)))
    layout: Layout = tuple(next(numbers) if kind == CHANNELS else kind for kind in kinds)
    return View(pointwise(apply, operands, shapes, name), layout, shape)


def _canonical(value: Array, kinds: Sequence[int | None], channels: Sequence[int]) -> jax.Array:
    """A constant, so that it broadcasts against B H W and channels."""
    value = jnp.asarray(value)
    if value.ndim == 0:
        return value
    pixels = [kinds.index(axis) if axis in kinds else None for axis in (BATCH, ROWS, COLUMNS)]
    order = [p for p in (*pixels, *channels) if p is not None]
    value = jnp.transpose(value, [*order, *(p for p in range(value.ndim) if p not in order)])
    value = value.reshape(value.shape[: len(order)])
    return jnp.expand_dims(value, [i for i, p in enumerate(pixels) if p is None])
