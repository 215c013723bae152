"""How a network sees maps: axes in its own order, values that are the same all along an axis."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.reuse.graph import (
    BATCH,
    CHANNELS,
    Constant,
    Node,
    Pointwise,
    Resampling,
    View,
)
from rsf_jax.reuse.sampling import Sampling, Selection
from rsf_jax.typing import Array


class NotLocal(Exception):
    """An operation cannot be done on maps; its text says what it is."""


def known(value: Any) -> np.ndarray:
    """Returns an array whose values are known when a network is traced."""
    if isinstance(value, jax.core.Tracer):
        raise NotLocal("places that are not known before")
    return np.asarray(value)


def as_seen(value: Array, view: View) -> jax.Array:
    """Returns a value as the network has it.

    Args:
        value: of the view's node; a map [B, H, W, ...].
        view: the view.
    """
    value = jnp.asarray(value)
    if view.layout is None:
        return value
    value = value.reshape(view.node.shape)
    named = [a for a in view.layout if a is not None]
    left_out = [a for a in range(value.ndim) if a not in named]
    value = jnp.squeeze(value, left_out)
    kept = [a for a in range(value.ndim + len(left_out)) if a not in left_out]
    value = jnp.transpose(value, [kept.index(a) for a in named])
    alike = [p for p, a in enumerate(view.layout) if a is None]
    return jnp.broadcast_to(jnp.expand_dims(value, alike), view.shape)


def layout_of(view: View) -> tuple[int | None, ...]:
    """Returns the layout of a view of a map."""
    assert view.layout is not None
    return view.layout


def is_channel(view: View, position: int) -> bool:
    """Whether an axis is one of channels."""
    axis = layout_of(view)[position]
    return axis is not None and axis >= CHANNELS


def is_of_pixels(x: View, position: int) -> bool:
    """Whether an axis is that of the batch, rows or columns."""
    axis = layout_of(x)[position]
    return axis is not None and axis < CHANNELS


def channel_positions(view: View) -> list[int]:
    """Returns the axes of channels, in the network's order."""
    return [p for p in range(len(layout_of(view))) if is_channel(view, p)]


def pointwise(
    apply: Callable[..., Array],
    operands: Sequence[Node | Constant],
    shapes: Sequence[Any],
    name: str,
) -> Node:
    """Returns the node of an operation at every pixel alone.

    Args:
        apply: the operation.
        operands: what it is applied to.
        shapes: shape and type of each.
        name: of the layer.
    """
    found = jax.eval_shape(apply, *shapes)
    return Node(Pointwise(apply), tuple(operands), found.shape, found.dtype, name)


def of_channels(view: View, apply: Callable[[Array], Array], name: str) -> Node:
    """Returns the node of an operation on what one map has at every pixel."""
    node = view.node
    return pointwise(apply, [node], [jax.ShapeDtypeStruct(node.shape, node.dtype)], name)


def arranged(view: View, positions: Iterable[int], name: str, full: Iterable[int] = ()) -> View:
    """Returns a view whose node's channels are these axes, in this order.

    Args:
        view: of a map.
        positions: axes of the network; all others that are of channels have size 1.
        name: of the layer.
        full: those of them along which all is the same that get their full size, instead of 1.

    Raises:
        NotLocal: if others than these are of channels.
    """
    layout, positions, full = layout_of(view), tuple(positions), tuple(full)
    dropped = [p for p in channel_positions(view) if p not in positions]
    if any(view.shape[p] > 1 for p in dropped):
        raise NotLocal("channels that meet rows or columns")
    spatial = [p for p in positions if layout[p] is not None and not is_channel(view, p)]
    if any(view.node.shape[layout[p] or 0] > 1 for p in spatial):
        raise NotLocal("rows or columns that meet channels")
    kept = [p for p in positions if is_channel(view, p)]
    order = [a for a in (layout[p] for p in (*kept, *dropped)) if a is not None]
    sizes = tuple(view.shape[p] if is_channel(view, p) else 1 for p in positions)
    large = tuple(view.shape[p] if p in full else n for p, n in zip(positions, sizes))

    def apply(x: Array) -> jax.Array:
        x = jnp.transpose(x, (0, 1, 2, *order)).reshape(*x.shape[:CHANNELS], *sizes)
        return jnp.broadcast_to(x, (*x.shape[:CHANNELS], *large))

    new: list[int | None] = [None if p in (*dropped, *spatial) else a for p, a in enumerate(layout)]
    for i, p in enumerate(positions):
        new[p] = CHANNELS + i
    as_it_is = [CHANNELS + i for i in range(len(order))]
    if order == as_it_is and view.node.channels == large:
        return View(view.node, tuple(new), view.shape)
    return View(of_channels(view, apply, name), tuple(new), view.shape)


def resampled(
    node: Node, axis: int, sampling: Sampling, channels: tuple[int, ...], name: str
) -> Node:
    """Returns the node of a map whose rows or columns are sampled.

    Args:
        node: the map.
        axis: ROWS or COLUMNS.
        sampling: how.
        channels: shape of what the result has at every pixel.
        name: of the layer.
    """
    shape = [*node.shape[:CHANNELS], *channels]
    shape[axis] = sampling.outputs
    steps: tuple[tuple[int, Sampling], ...] = ((axis, sampling),)
    if isinstance(node.op, Resampling):
        before = dict(node.op.steps)
        if axis not in before:  # rows and columns in one go
            steps, node = (*node.op.steps, *steps), node.nodes[0]
        else:
            both = _composed(before[axis], sampling)
            if both is not None:
                before[axis] = both
                steps, node = tuple(before.items()), node.nodes[0]
    return Node(Resampling(steps), (node,), tuple(shape), node.dtype, f"{name}/resampled")


def _composed(inner: Sampling, outer: Sampling) -> Selection | None:
    """One selection instead of two, if they are that."""
    if not isinstance(inner, Selection) or not isinstance(outer, Selection):
        return None
    if inner.fills and outer.fills and inner.fill != outer.fill:
        return None
    index = np.where(outer.index >= 0, inner.index[outer.index], -1)
    return Selection(inner.inputs, index, outer.fill if outer.fills else inner.fill)


def selections(node: Node) -> tuple[Node, dict[int, Selection]] | None:
    """Returns the map that a node is a selection of, and which; None if it is none."""
    if not isinstance(node.op, Resampling):
        return node, {}
    found = {a: s for a, s in node.op.steps if isinstance(s, Selection)}
    return (node.nodes[0], found) if len(found) == len(node.op.steps) else None


def as_map(view: View, wanted: Sequence[int], name: str) -> View:
    """Returns a view whose axes are these, all of which the node has.

    Args:
        view: of a map.
        wanted: for each axis BATCH, ROWS, COLUMNS or CHANNELS; the latter once at most.
        name: of the layer.

    Raises:
        NotLocal: if its axes are others.
    """
    channels = [p for p, a in enumerate(wanted) if a == CHANNELS]
    view = arranged(view, channels, name, channels)
    for position, axis in enumerate(wanted):
        if axis != CHANNELS:
            view = spread(view, position, axis, name)
    return view


def spread(view: View, position: int, axis: int, name: str) -> View:
    """Returns a view one of whose axes is that of the batch, rows or columns.

    Args:
        view: of a map.
        position: the axis, along which all is the same.
        axis: BATCH, ROWS or COLUMNS.
        name: of the layer.

    Raises:
        NotLocal: if it is another axis, or that of the batch has to be repeated.
    """
    layout, size = list(layout_of(view)), view.shape[position]
    if layout[position] == axis:
        return view
    if view.node.shape[axis] > 1 or (layout[position] is not None and size > 1):
        raise NotLocal("rows, columns or channels that change places")
    if is_channel(view, position):
        view = arranged(view, [p for p in channel_positions(view) if p != position], name)
        layout = list(layout_of(view))
    if axis in layout:
        layout[layout.index(axis)] = None
    layout[position] = axis
    node = view.node
    if size > 1:
        if axis == BATCH:
            raise NotLocal("a batch that is repeated")
        node = resampled(node, axis, Selection(1, np.zeros(size, int)), node.channels, name)
    return View(node, tuple(layout), view.shape)


def select(view: View, position: int, index: np.ndarray, name: str, fill: float = 0.0) -> View:
    """Returns a view of some values along an axis.

    Args:
        view: of a map.
        position: the axis.
        index: int [n], which values; -1 for `fill`.
        name: of the layer.
        fill: a number.

    Raises:
        NotLocal: if the axis is that of the batch.
    """
    shape = (*view.shape[:position], len(index), *view.shape[position + 1 :])
    axis = layout_of(view)[position]
    if np.array_equal(index, np.arange(view.shape[position])):
        return view
    fills = bool((index < 0).any())
    if axis is None:
        if not fills:
            return View(view.node, view.layout, shape)
        view = arranged(view, sorted([*channel_positions(view), position]), name, [position])
        axis = layout_of(view)[position]
        assert axis is not None
    if axis == BATCH:
        raise NotLocal("a part of the batch")
    if axis < CHANNELS:
        selection = Selection(view.shape[position], index, fill)
        node = resampled(view.node, axis, selection, view.node.channels, name)
        return View(node, view.layout, shape)
    where = axis

    def apply(x: Array) -> jax.Array:
        whole = Selection(x.shape[where], index, fill)
        return whole.sample(x, where, 0, len(index)) if fills else jnp.take(x, index, where)

    return View(of_channels(view, apply, name), view.layout, shape)
