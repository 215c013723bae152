"""Computes what is computed anew for every frame: what needs whole maps, and what comes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.reuse.evaluate import Constants, window_of
from rsf_jax.reuse.graph import (
    CHANNELS,
    COLUMNS,
    ROWS,
    Convolution,
    Graph,
    Node,
    Pointwise,
    Reach,
    Result,
    View,
    Whole,
    Window,
    evaluate_equation,
)
from rsf_jax.reuse.maps import Rectangle
from rsf_jax.reuse.views import as_seen
from rsf_jax.typing import Array


def evaluate_end(
    graph: Graph, end: Sequence[Node], maps: Mapping[Node, Array], constants: Constants
) -> list[Array]:
    """Computes what lies behind the stages, and returns all outputs as the network has them.

    Args:
        graph: of the network.
        end: what is to be computed, each after its operands.
        maps: those of stages, [B, H, W, C].
        constants: of the graph.
    """
    values: dict[Node, Any] = dict(maps)
    for node in end:
        args = [values[x] if isinstance(x, Node) else constants[x.number] for x in node.operands]
        values[node] = _evaluate(node, args)
    return [
        as_seen(values[x.node], x) if isinstance(x, View) else constants[x.number]
        for x in graph.outputs
    ]


def _evaluate(node: Node, args: list[Any]) -> Any:
    op = node.op
    if isinstance(op, Whole):
        seen = [x if view is None else as_seen(x, view) for view, x in zip(op.seen, args)]
        found = evaluate_equation(op.equation, seen)
        return found if op.equation.primitive.multiple_results else found[0]
    if isinstance(op, Result):
        return args[0][op.number]
    args = [
        jnp.reshape(x, operand.shape) if isinstance(operand, Node) else x
        for x, operand in zip(args, node.operands)
    ]
    if isinstance(op, Pointwise):
        return op.apply(*args)
    assert isinstance(op, Window)
    return _of_window(op, node, args)


def _of_window(op: Window, node: Node, args: list[Any]) -> jax.Array:
    """The whole of what a window gives."""
    (source, *_), kernel = node.nodes, args[1] if len(args) > 1 else None
    if isinstance(op, Convolution) and op.rows == op.columns == Reach() and op.groups == 1:
        # A dense layer: XLA's convolution of a single pixel is slower.
        by_channels = (((CHANNELS,), (0,)), ((), ()))
        matrix = jnp.asarray(kernel)[0, 0]
        return lax.dot_general(args[0], matrix, by_channels, op.precision, op.dtype)
    place = Rectangle((0, 0, 0), (node.shape[0], node.shape[1], node.shape[2]))
    rows, columns = (
        reach.margin(node.shape[axis], source.shape[axis])
        for axis, reach in ((ROWS, op.rows), (COLUMNS, op.columns))
    )
    return jnp.asarray(window_of(op, args[0], kernel, place, (rows, columns)))
