"""Convolutions, transposed ones too, as a network writes them."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.reuse.borders import without_border
from rsf_jax.reuse.graph import (
    BATCH,
    CHANNELS,
    COLUMNS,
    ROWS,
    Convolution,
    Node,
    Reach,
    View,
    Window,
)
from rsf_jax.reuse.meeting import Keep
from rsf_jax.reuse.sampling import Merging
from rsf_jax.reuse.views import NotLocal, as_map, of_channels, resampled
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
        node, (rows, columns) = without_border(x.node, (rows, columns), 0.0)
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
