"""Products with matrices: dense layers at every pixel, sums along rows or columns."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.reuse.graph import CHANNELS, COLUMNS, ROWS, Convolution, Node, Reach, View
from rsf_jax.reuse.meeting import Keep
from rsf_jax.reuse.sampling import Weighting
from rsf_jax.reuse.views import (
    NotLocal,
    arranged,
    channel_positions,
    is_of_pixels,
    known,
    layout_of,
    of_channels,
    pointwise,
    resampled,
)
from rsf_jax.typing import Array


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
    if any(is_of_pixels(x, p) and x.shape[p] > 1 for p in mine):
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
