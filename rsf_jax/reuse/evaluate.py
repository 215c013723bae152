"""Computes a stage over a rectangle of its map, or the whole of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.ops.conv import KernelSpectrum, choose_method, convolve
from rsf_jax.reuse.graph import (
    CHANNELS,
    COLUMNS,
    ROWS,
    Constant,
    Convolution,
    Node,
    Pointwise,
    Pooling,
    Reduction,
    Resampling,
    Window,
)
from rsf_jax.reuse.maps import Margins, Rectangle, needed_margins, read, slice_of, whole
from rsf_jax.reuse.stages import Stage
from rsf_jax.typing import Array

# Constants of a graph, or of a stage, by their index.
Constants = Mapping[int, Array]

# In front of and behind rows and columns.
Padding = tuple[tuple[int, int], tuple[int, int]]
_NO_PADDING: Padding = ((0, 0), (0, 0))

# A kernel of this many pixels or more is convolved in the frequency domain where a whole map is
# computed (7x7 and 25 channels: 5 ms against 16).
_SPECTRAL_FROM = 49


def hide_padding(stage: Stage, values: Array, seen: Rectangle) -> Array:
    """Puts what is never the largest instead of the padding that a stage reads."""
    op = stage.op
    if stage.source is None or not (isinstance(op, Pooling) and op.largest):
        return values
    size = stage.source.size
    for axis, start, inputs in zip((ROWS, COLUMNS), seen.start[1:], size):
        if isinstance(start, int) and start >= 0 and start + values.shape[axis] <= inputs:
            continue
        at = lax.broadcasted_iota(jnp.int32, (1, *values.shape[1:3], 1), axis)
        at += jnp.reshape(start, (-1, 1, 1, 1))
        least = _least(values.dtype)
        values = jnp.where((at >= 0) & (at < inputs), values, least)
    return values


def _least(dtype: Any) -> np.ndarray:
    """What is never the largest."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.array(-jnp.inf, dtype)
    return np.array(False if jnp.issubdtype(dtype, jnp.bool_) else jnp.iinfo(dtype).min, dtype)


def apply_window(
    stage: Stage,
    seen: Array,
    constants: Constants,
    place: Rectangle,
    padding: Padding = _NO_PADDING,
) -> Array:
    """Applies a stage's window to what it reads.

    Args:
        stage: the stage.
        seen: of the map its window slides over, [b, h, w, C].
        constants: those it uses.
        place: the rectangle of the stage that is computed.
        padding: what the map is padded by, of a convolution or pooling.
    """
    assert stage.source is not None
    assert stage.window is not None
    seen = jnp.reshape(seen, (*seen.shape[:CHANNELS], *stage.source.node.channels))
    kernel = kernel_of(stage, constants) if stage.is_convolution else None
    return window_of(stage.op, seen, kernel, place, padding)


def window_of(
    op: Window, seen: Array, kernel: Array | None, place: Rectangle, padding: Padding
) -> Array:
    """Applies a window to what it reads, [b, h, w, ...]; of a convolution with its kernel."""
    if isinstance(op, Reduction):
        return op.apply(seen)
    if isinstance(op, Resampling):
        for axis, sampling in op.steps:
            seen = sampling.sample(seen, axis, place.start[axis], place.size[axis])
        return seen
    strides = (op.rows.stride, op.columns.stride)
    dilation = (op.rows.dilation, op.columns.dilation)
    if isinstance(op, Convolution):
        return lax.conv_general_dilated(
            jnp.asarray(seen),
            jnp.asarray(kernel),
            strides,
            padding,
            rhs_dilation=dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=op.groups,
            precision=op.precision,
            preferred_element_type=op.dtype,
        )
    start, combine = (_least(seen.dtype), lax.max) if op.largest else (0, lax.add)
    return lax.reduce_window(
        seen,
        np.array(start, seen.dtype),  # not of JAX, or it could not be differentiated
        combine,
        (1, op.rows.size, op.columns.size, 1),
        (1, *strides, 1),
        ((0, 0), *padding, (0, 0)),
        window_dilation=(1, *dilation, 1),
    )


def uses_spectrum(stage: Stage) -> bool:
    """Whether the whole of a stage is best computed in the frequency domain."""
    if not stage.is_convolution:
        return False
    op = stage.op
    assert isinstance(op, Convolution)
    plain = op.groups == 1 and all(
        r.stride == r.dilation == 1 and r.size % 2 == 1 and r.before == r.after == r.size // 2
        for r in (op.rows, op.columns)
    )
    area = op.rows.size * op.columns.size
    return (
        plain
        and stage.dtype == np.float32
        and area >= _SPECTRAL_FROM
        and choose_method(op.rows.size, op.columns.size) == "fft"
    )


def apply_spectrum(
    stage: Stage, stored: Array, around: Margins, constants: Constants, spectrum: KernelSpectrum
) -> Array:
    """Applies a stage's convolution to a whole map, in the frequency domain."""
    assert stage.source is not None
    x = jnp.moveaxis(read(stored, around, whole(stage.source)), -1, 1)
    y = convolve(x, kernel_of(stage, constants), method="fft", spectrum=spectrum)
    return jnp.moveaxis(y, 1, -1)


def kernel_shape(stage: Stage) -> tuple[int, int, int, int]:
    """Returns height, width, inputs of an output, and outputs of a stage's convolution."""
    op = stage.op
    assert stage.source is not None
    assert isinstance(op, Convolution)
    assert stage.window is not None
    inputs, outputs = stage.source.channels // op.groups, stage.window.shape[CHANNELS]
    return op.rows.size, op.columns.size, inputs, outputs


def kernel_of(stage: Stage, constants: Constants) -> Array:
    """Returns the kernel of a stage that begins with a convolution."""
    assert stage.window is not None
    kernel = stage.window.operands[1]
    assert isinstance(kernel, Constant)
    return constants[kernel.number]


def finish(
    stage: Stage,
    linear: Array | None,
    beside: Mapping[Node, Array],
    constants: Constants,
    rectangle: Rectangle,
) -> Array:
    """Applies what follows a stage's window.

    Args:
        stage: the stage.
        linear: what the window gave; None if the stage has none.
        beside: the maps it reads at the same pixels, in the rectangle.
        constants: of the graph.
        rectangle: what is computed.
    """
    # Axes of channels, which are kept as one.
    values = {n: jnp.reshape(x, (*x.shape[:CHANNELS], *n.channels)) for n, x in beside.items()}
    if stage.window is not None:
        assert linear is not None
        values[stage.window] = jnp.asarray(linear)
    for node in stage.pointwise:
        assert isinstance(node.op, Pointwise)
        args = [
            values[x] if isinstance(x, Node) else _constant_in(constants[x.number], rectangle)
            for x in node.operands
        ]
        values[node] = jnp.asarray(node.op.apply(*args))
    found = values[stage.node]
    return found.reshape(*found.shape[:CHANNELS], stage.channels)


def _constant_in(value: Array, rectangle: Rectangle) -> Array:
    """The part of a constant that meets a rectangle; most are the same at every pixel."""
    if value.ndim == 0 or max(value.shape[:CHANNELS]) == 1:
        return value
    channels = value.shape[CHANNELS:]
    size = tuple(m if m == 1 else n for m, n in zip(value.shape, rectangle.size))

    def part(start: tuple[Any, Any, Any]) -> Array:
        place = (0 if m == 1 else at for m, at in zip(value.shape, start))
        return slice_of(value, (*place, *(0 for _ in channels)), (*size, *channels))

    if jnp.ndim(rectangle.start[0]) == 0:
        return part(rectangle.start)
    return lax.map(lambda start: part(start)[0], rectangle.start)


def dense(
    stage: Stage,
    stored: Mapping[Stage, Array],
    around: Mapping[Stage, Margins],
    constants: Constants,
    spectrum: KernelSpectrum | None,
    is_due: Array | None = None,
) -> tuple[Array | None, Array]:
    """Computes the whole of a stage.

    Args:
        stage: the stage.
        stored: the maps it reads, with their margins.
        around: these margins.
        constants: those it uses.
        spectrum: of its kernel; None to convolve directly.
        is_due: in a loop that may have no turn, true in a turn. Without something that depends on
            the loop XLA would compute the window in front of it, turn or not.

    Returns:
        What the window gives (None without one), and the map.
    """
    everything, linear = whole(stage), None
    if stage.source is not None:
        compute = partial(_window_of_whole, stage, stored, around, constants, spectrum)
        if is_due is None:
            linear = compute()
        else:
            shape = jax.eval_shape(compute)
            linear = lax.cond(is_due, compute, lambda: jnp.zeros(shape.shape, shape.dtype))
    maps = {s.node: read(stored[s], around[s], whole(s)) for s in stage.beside}
    return linear, finish(stage, linear, maps, constants, everything)


def _window_of_whole(
    stage: Stage,
    stored: Mapping[Stage, Array],
    around: Mapping[Stage, Margins],
    constants: Constants,
    spectrum: KernelSpectrum | None,
) -> Array:
    assert stage.source is not None
    source, margin = stored[stage.source], around[stage.source]
    if spectrum is not None:
        return apply_spectrum(stage, source, margin, constants, spectrum)
    # Padded as the network has it: XLA's convolution without padding took 1.3 times as long.
    top, bottom, left, right = needed_margins(stage.source, stage)
    padding = ((top, bottom), (left, right))
    seen = read(source, margin, whole(stage.source))
    return apply_window(stage, seen, constants, whole(stage), padding)
