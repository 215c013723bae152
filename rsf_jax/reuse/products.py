"""Counts the multiply-adds of what is computed for every frame."""

import math
from typing import Any

from rsf_jax.reuse.graph import Convolution, Node, Whole


def products(node: Node) -> float:
    """Returns the multiply-adds of convolutions and products that a node stands for."""
    op = node.op
    if isinstance(op, Whole):
        return _of_equation(op.equation)
    if isinstance(op, Convolution):
        inputs = node.nodes[0].channels[0] // op.groups
        return float(math.prod(node.shape) * op.rows.size * op.columns.size * inputs)
    return 0.0


def _of_equation(equation: Any) -> float:
    """Of an equation of a jaxpr, with all that it calls."""
    kind, params = equation.primitive.name, equation.params
    outputs = math.prod(equation.outvars[0].aval.shape)
    if kind == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return float(outputs * math.prod(shape[axis] for axis in contracted))
    if kind == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        outs = kernel[params["dimension_numbers"].rhs_spec[0]]
        return float(outputs * math.prod(kernel) / outs)
    inner = [_of_jaxpr(value) for each in params.values() for value in _several(each)]
    if kind == "cond":
        return max(inner, default=0.0)
    return sum(inner, 0.0) * params.get("length", 1)


def _several(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _of_jaxpr(value: Any) -> float:
    jaxpr = getattr(value, "jaxpr", value)
    return sum(map(_of_equation, getattr(jaxpr, "eqns", ())), 0.0)
