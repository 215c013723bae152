"""Convolutions, pooling, dense layers and statistics as a network writes them."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.reuse.graph import (
    BATCH,
    CHANNELS,
    COLUMNS,
    ROWS,
    Convolution,
    Node,
    Pooling,
    Reach,
    Reduction,
    Resampling,
    View,
    Window,
)
from rsf_jax.reuse.meeting import Keep
from rsf_jax.reuse.sampling import Merging, Selection, Weighting
from rsf_jax.reuse.views import (
    NotLocal,
    arranged,
    as_map,
    channel_positions,
    layout_of,
    of_channels,
    pointwise,
    resampled,
)
from rsf_jax.typing import Array


def convolved(x: View, kernel: Any, eqn: Any, name: str, keep: Keep) -> View:
    """Returns a convolution, transposed or not, of a map.

    Raises:
        NotLocal: if it is not one of rows and columns.
    """
    params, numbers = eqn.params, eqn.params["dimension_numbers"]
    if isinstance(kernel, View):
        raise NotLocal("a kernel that depends on the frame")
    if len(numbers.lhs_spec) != 4:
        raise NotLocal("a convolution that is not two-dimensional")
    if params["batch_group_count"] != 1:
        raise NotLocal("a convolution with groups of the batch")
    x = as_map(x, _axes_of(numbers.lhs_spec), name)
    out, into, *sides = numbers.rhs_spec
    weight = jnp.transpose(jnp.asarray(kernel), (*sides, into, out))
    rows, columns = (
        Reach(n, stride, dilation, *padding)
        for n, stride, dilation, padding in zip(
            weight.shape, params["window_strides"], params["rhs_dilation"], params["padding"]
        )
    )
    layout = _axes_of(numbers.out_spec)
    aval = eqn.outvars[0].aval
    sizes = tuple(aval.shape[layout.index(axis)] for axis in (ROWS, COLUMNS))
    options = params["feature_group_count"], params["precision"], params["preferred_element_type"]
    if all(d == 1 for d in params["lhs_dilation"]):
        node, (rows, columns) = _without_border(x.node, (rows, columns), 0.0)
        op = Convolution(rows, columns, *options)
        shape = (x.node.shape[BATCH], *sizes, weight.shape[-1])
        node = Node(op, (node, keep(weight)), shape, aval.dtype, name)
    else:
        node = _transposed(x.node, weight, (rows, columns), eqn, sizes, name, keep)
    return View(node, layout, aval.shape)


def _axes_of(spec: Sequence[int]) -> tuple[int, ...]:
    """Where a convolution puts batch, channels, rows and columns, as a layout."""
    layout = [0] * 4
    for axis, place in zip((BATCH, CHANNELS, ROWS, COLUMNS), spec):
        layout[place] = axis
    return tuple(layout)


def _without_border(
    node: Node, reaches: tuple[Reach, Reach], value: float
) -> tuple[Node, tuple[Reach, Reach]]:
    """The map inside of a border of one value that was put around it, which windows reach over."""
    if not isinstance(node.op, Resampling):
        return node, reaches
    found = []
    steps = dict(node.op.steps)
    for axis, reach in zip((ROWS, COLUMNS), reaches):
        step = steps.get(axis)
        if step is None:
            found.append(reach)
            continue
        inside = step.index >= 0 if isinstance(step, Selection) else np.zeros(1, bool)
        before, after = int(inside.argmax()), int(inside[::-1].argmax())
        if (
            not isinstance(step, Selection)
            or (step.fills and step.fill != value)
            or not np.array_equal(step.index[before : step.outputs - after], np.arange(step.inputs))
        ):
            return node, reaches
        found.append(reach._replace(before=reach.before + before, after=reach.after + after))
    return node.nodes[0], (found[0], found[1])


def _transposed(
    node: Node,
    weight: jax.Array,
    reaches: tuple[Reach, Reach],
    eqn: Any,
    sizes: tuple[int, int],
    name: str,
    keep: Keep,
) -> Node:
    """A transposed convolution: one of its inputs for the outputs of each phase, put side by side.

    An output `o` reads inputs `(o - before + k dilation) / d` where that is a whole number: for
    each phase, `o` modulo `d`, always the same ones relative to `o // d`.
    """
    params = eqn.params
    if any(r.stride != 1 for r in reaches):
        raise NotLocal("a transposed convolution with strides")
    groups, phases = params["feature_group_count"], params["lhs_dilation"]
    low: list[Reach] = []
    for axis, (reach, d, size) in enumerate(zip(reaches, phases, sizes)):
        weight, one = _by_phase(weight, axis, reach, d)
        inputs, outputs = node.shape[ROWS + axis], -(-size // d)
        low.append(one._replace(after=one.span(outputs) - one.before - inputs))
    # [kh, kw, in, phase of rows, phase of columns, out]: groups are in front of the phases.
    kh, kw, into, *_, out = weight.shape
    weight = weight.reshape(kh, kw, into, *phases, groups, out // groups)
    weight = jnp.moveaxis(weight, 5, 3)
    channels = weight.shape[3:]
    flat = keep(weight.reshape(kh, kw, into, -1))
    options = groups, params["precision"], params["preferred_element_type"]
    op = Convolution(low[0], low[1], *options)
    shape = (node.shape[BATCH], *(-(-n // d) for n, d in zip(sizes, phases)))
    dtype = eqn.outvars[0].aval.dtype
    node = Node(op, (node, flat), (*shape, math.prod(channels)), dtype, name)
    view = View(node, (BATCH, ROWS, COLUMNS, CHANNELS), node.shape)
    node = of_channels(view, lambda x: jnp.reshape(x, (*x.shape[:3], *channels)), name)
    for axis, d, size in zip((ROWS, COLUMNS), phases, sizes):
        merging = Merging(node.shape[axis], d, CHANNELS + 1, size)
        kept = (*node.channels[:1], *node.channels[2:])
        node = resampled(node, axis, merging, kept, name)
    view = View(node, (BATCH, ROWS, COLUMNS, CHANNELS, CHANNELS + 1), node.shape)
    return of_channels(view, lambda x: jnp.reshape(x, (*x.shape[:3], -1)), name)


def _by_phase(weight: jax.Array, axis: int, reach: Reach, d: int) -> tuple[jax.Array, Reach]:
    """The kernel of each phase along an axis, [..., phases, out], and what they all read."""
    taps = [
        (phase, k, (phase - reach.before + k * reach.dilation) // d)
        for phase in range(d)
        for k in range(reach.size)
        if (phase - reach.before + k * reach.dilation) % d == 0
    ]
    first, last = min(m for *_, m in taps), max(m for *_, m in taps)
    place = np.full((last - first + 1, d), -1)
    for phase, k, m in taps:
        place[m - first, phase] = k
    found = jnp.take(weight, jnp.asarray(np.maximum(place, 0)), axis)  # [.., size, d, .., out]
    is_there = (place >= 0).reshape([*[1] * axis, *place.shape, *[1] * (weight.ndim - axis - 1)])
    found = jnp.where(is_there, found, 0)
    return jnp.moveaxis(found, axis + 1, -2), Reach(len(place), before=-first)


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
    if not any(_is_of_pixels(x, p) for p in windows):
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
    node, (rows, columns) = _without_border(
        node, (rows, columns), 0.0 if kind == "sum" else -math.inf
    )
    shape = tuple(eqn.outvars[0].aval.shape[layout.index(a)] for a in range(4))
    op = Pooling(rows, columns, kind != "sum")
    node = Node(op, (node,), shape, x.node.dtype, f"{name}/{kind}_pool")
    view = View(node, layout, eqn.outvars[0].aval.shape)
    return View(of_channels(view, jnp.negative, name), layout, view.shape) if sign else view


def _is_of_pixels(x: View, position: int) -> bool:
    """Whether an axis is that of the batch, rows or columns."""
    axis = layout_of(x)[position]
    return axis is not None and axis < CHANNELS


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
    channels = [p for p in positions if not _is_of_pixels(x, p)]
    x = arranged(x, channels, name, channels)
    for what in ("window_dimensions", "window_strides", "window_dilation", "base_dilation"):
        params[what] = (1, 1, 1, *(params[what][p] for p in channels))
    params["padding"] = ((0, 0),) * 3 + tuple(params["padding"][p] for p in channels)
    node = of_channels(x, lambda v: eqn.primitive.bind(v, **params), name)
    return View(node, x.layout, eqn.outvars[0].aval.shape)


def multiplied(args: Sequence[Any], eqn: Any, name: str, keep: Keep) -> View:
    """Returns a product with a matrix: a dense layer at every pixel, or sums along rows or columns.

    Raises:
        NotLocal: if it is another one.
    """
    contracted, batched = eqn.params["dimension_numbers"]
    side = 0 if isinstance(args[0], View) else 1
    x, weight = args[side], args[1 - side]
    if isinstance(weight, View):
        raise NotLocal("a product of two values that depend on the frame")
    if batched[0]:
        raise NotLocal("products of a batch of matrices")
    mine, its = (tuple(map(int, contracted[i])) for i in (side, 1 - side))
    free = [p for p in range(weight.ndim) if p not in its]
    axes = {layout_of(x)[p] for p in mine}
    aval = eqn.outvars[0].aval
    options = eqn.params["precision"], eqn.params.get("preferred_element_type")
    if len(mine) == len(free) == 1 and axes & {ROWS, COLUMNS}:
        return _summed(x, weight, (mine[0], its[0]), side, eqn, name)
    if any(_is_of_pixels(x, p) and x.shape[p] > 1 for p in mine):
        raise NotLocal("a product of whole rows or columns")
    matrix = jnp.transpose(jnp.asarray(weight), (*its, *free))
    kept = [p for p in range(len(x.shape)) if p not in mine]
    others = [p for p in channel_positions(x) if p not in mine]
    x = arranged(x, [*others, *mine], name, mine)
    new = [weight.shape[p] for p in free]
    flat = matrix.reshape(math.prod(matrix.shape[: len(its)]), -1)
    node = _dense(x.node, len(others), flat, new, options, aval.dtype, name, keep)
    # Axes of the result: those of the map that are left, and those of the matrix.
    labels: list[int | None] = [layout_of(x)[p] for p in kept]
    first = CHANNELS + len(others)
    fresh: list[int | None] = list(range(first, first + len(free)))
    layout = (*labels, *fresh) if side == 0 else (*fresh, *labels)
    return View(node, layout, aval.shape)


def _dense(
    node: Node,
    others: int,
    matrix: jax.Array,
    new: Sequence[int],
    options: tuple[Any, Any],
    dtype: Any,
    name: str,
    keep: Keep,
) -> Node:
    """The last channels of a map times a matrix; a 1x1 convolution if they are all of them."""
    precision, preferred = options
    if others:
        weight = matrix.reshape(1, 1, 1, *matrix.shape)
        place = CHANNELS + others

        def apply(x: Array, weight: Array) -> jax.Array:
            x = jnp.reshape(x, (*x.shape[:place], -1))
            y = lax.dot_general(
                x, weight[0, 0, 0], (((place,), (0,)), ((), ())), precision, preferred
            )
            return y.reshape(*y.shape[:place], *new)

        shapes = [
            jax.ShapeDtypeStruct(node.shape, node.dtype),
            jax.ShapeDtypeStruct(weight.shape, weight.dtype),
        ]
        return pointwise(apply, [node, keep(weight)], shapes, name)
    if len(node.channels) != 1:
        view = View(node, (), ())
        node = of_channels(view, lambda x: jnp.reshape(x, (*x.shape[:CHANNELS], -1)), name)
    op = Convolution(Reach(), Reach(), 1, precision, preferred)
    shape = (*node.shape[:CHANNELS], matrix.shape[1])
    node = Node(op, (node, keep(matrix[None, None])), shape, dtype, name)
    if len(new) == 1:
        return node
    return of_channels(
        View(node, (), ()), lambda x: jnp.reshape(x, (*x.shape[:CHANNELS], *new)), name
    )


def _summed(
    x: View, weight: Any, contracted: tuple[int, int], side: int, eqn: Any, name: str
) -> View:
    """Weighted sums along rows or columns, as of a resized image."""
    position, its = contracted
    axis = layout_of(x)[position]
    assert axis is not None
    matrix = known(weight)
    matrix = matrix if its == 1 else matrix.T
    precision = eqn.params["precision"]
    precision = precision[0] if isinstance(precision, tuple) else precision
    sampling = Weighting(matrix, precision)
    node = resampled(x.node, axis, sampling, x.node.channels, name)
    layout = [a for p, a in enumerate(layout_of(x)) if p != position]
    layout = [*layout, axis] if side == 0 else [axis, *layout]
    aval = eqn.outvars[0].aval
    if node.dtype != aval.dtype:
        raise NotLocal("sums of another type along rows or columns")
    return View(node, tuple(layout), aval.shape)


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


def stem(frame: View, kernel: Array, aval: Any, name: str, keep: Keep) -> View:
    """Returns this library's first convolution, which is written as a product.

    Raises:
        NotLocal: if the frame is no map any more.
    """
    frame = as_map(frame, (BATCH, ROWS, COLUMNS, CHANNELS), name)
    high, wide, _, channels = kernel.shape
    rows, columns = (Reach(k, before=k // 2, after=k // 2) for k in (high, wide))
    op: Window = Convolution(rows, columns, precision="highest")
    shape = (*frame.node.shape[:CHANNELS], channels)
    node = Node(op, (frame.node, keep(kernel)), shape, aval.dtype, name)
    return View(node, (BATCH, CHANNELS, ROWS, COLUMNS), aval.shape)


def known(value: Any) -> np.ndarray:
    """Returns an array whose values are known when a network is traced."""
    if isinstance(value, jax.core.Tracer):
        raise NotLocal("places that are not known before")
    return np.asarray(value)
