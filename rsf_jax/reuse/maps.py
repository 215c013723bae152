"""Stored maps: their margins, and parts of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.reuse.stages import Stage
from rsf_jax.typing import Array


class Margins(NamedTuple):
    """Zeros that a stored map has around it, for the windows that slide over it."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


class Rectangle(NamedTuple):
    """A part of a map.

    Attributes:
        start: place in the batch, row and column of its first pixel; where several parts of one
            size are computed together, int32 [n] each.
        size: frames of the batch (1 for each of several parts), height and width.
    """

    start: tuple[Any, Any, Any]
    size: tuple[int, int, int]


def whole(stage: Stage) -> Rectangle:
    """Returns the rectangle that is all of a stage's map."""
    return Rectangle((0, 0, 0), (stage.batch, *stage.size))


def margins(stage: Stage, stages: Sequence[Stage]) -> Margins:
    """Returns the margins that the windows over a stage's map need."""
    found = [needed_margins(stage, other) for other in stages if other.source is stage]
    return Margins(*(max([0, *side]) for side in zip(*found))) if found else Margins()


def needed_margins(source: Stage, stage: Stage) -> Margins:
    """Returns the margins that one stage needs around the map its window slides over."""
    op = stage.op
    sides: list[int] = []
    for reach, outputs, inputs in zip((op.rows, op.columns), stage.size, source.size):
        sides += reach.margin(outputs, inputs)
    return Margins(*sides)


def read(stored: Array, around: Margins, rectangle: Rectangle) -> Array:
    """Returns the values of a stored map in a rectangle, [b, h, w, C]."""
    b, y, x = rectangle.start
    start = (b, y + around.top, x + around.left, 0)
    return slice_of(stored, start, (*rectangle.size, stored.shape[-1]))


def write(stored: Array, around: Margins, rectangle: Rectangle, values: Array) -> Array:
    """Returns a stored map with other values in a rectangle."""
    b, y, x = rectangle.start
    if isinstance(b, int):
        return pad(values, around)  # of the whole
    start = [jnp.asarray(at, jnp.int32) for at in (b, y + around.top, x + around.left, 0)]
    return lax.dynamic_update_slice(stored, values, start)


def pad(values: Array, around: Margins) -> Array:
    """Returns a whole map with its margins."""
    top, bottom, left, right = around
    return jnp.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))


def seen_by(stage: Stage, rectangle: Rectangle) -> Rectangle:
    """Returns what a rectangle of a stage reads of the map its window slides over."""
    op = stage.op
    (b, *origin), (count, *size) = rectangle
    starts, spans = [], []
    for reach, place, outputs in zip((op.rows, op.columns), origin, size):
        starts.append(reach.start(place, outputs))
        spans.append(reach.span(outputs))
    return Rectangle((b, starts[0], starts[1]), (count, spans[0], spans[1]))


def beside(stage: Stage, other: Stage, rectangle: Rectangle) -> Rectangle:
    """Returns what a rectangle of a stage reads of a map that it meets at every pixel.

    Of one that has a single row or column, or one for all frames, that one.
    """
    mine, its = (stage.batch, *stage.size), (other.batch, *other.size)
    one = [n == 1 != m for n, m in zip(its, mine)]
    start = tuple(at * 0 if is_one else at for at, is_one in zip(rectangle.start, one))
    size = tuple(1 if is_one else n for n, is_one in zip(rectangle.size, one))
    return Rectangle((start[0], start[1], start[2]), (size[0], size[1], size[2]))


def differs(new: Array, old: Array, threshold: Any) -> jax.Array:
    """Returns which values differ by more than a threshold. NaN always does.

    Of numbers that count or name something all that are not the same do, unless the threshold is
    below 0: then all do.
    """
    new = jnp.asarray(new)
    if not jnp.issubdtype(new.dtype, jnp.inexact):
        return (new != old) | (threshold < 0)
    return ~(jnp.abs(new - old) <= threshold)


def slice_of(values: Array, start: tuple[Any, ...], size: tuple[int, ...]) -> Array:
    """Returns a part of an array; a slice without a copy where the place is known."""
    if size == values.shape:
        return values
    if all(isinstance(place, int) for place in start):
        return lax.slice(values, start, [a + n for a, n in zip(start, size)])
    return lax.dynamic_slice(values, [jnp.asarray(place, jnp.int32) for place in start], size)
