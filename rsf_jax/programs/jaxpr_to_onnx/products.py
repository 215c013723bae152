"""Products of matrices, and convolutions."""

import math
from typing import Any

from rsf_jax.errors import InputError
from rsf_jax.programs.jaxpr_to_onnx.graph import Graph, Value
from rsf_jax.programs.jaxpr_to_onnx.rules import rule


@rule("dot_general")
def _product(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (left_summed, right_summed), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left, right = (graph.full(v, a.aval.shape) for v, a in zip(values, equation.invars))
    left_free = _others(left, left_summed, left_batch)
    right_free = _others(right, right_summed, right_batch)
    a = graph.transpose(left, (*left_batch, *left_free, *left_summed))
    b = graph.transpose(right, (*right_batch, *right_summed, *right_free))
    result = tuple(equation.outvars[0].aval.shape)
    if len(left_summed) == 1 and len(right_free) == 1 and (not left_batch or len(left_free) == 1):
        # ONNX multiplies the last two axes, and goes over those in front.
        (name,) = graph.add("MatMul", graph.name(a), graph.name(b))
        return [Value(name, result, left.dtype)]
    batch = tuple(left.shape[axis] for axis in left_batch)
    rows, columns, summed = (
        _joined(value, axes)
        for value, axes in ((left, left_free), (right, right_free), (left, left_summed))
    )
    (name,) = graph.add(
        "MatMul",
        graph.name(graph.reshape(a, (*batch, rows, summed))),
        graph.name(graph.reshape(b, (*batch, summed, columns))),
    )
    return [graph.reshape(Value(name, (*batch, rows, columns), left.dtype), result)]


def _others(value: Value, *axes: Any) -> tuple[int, ...]:
    taken = {axis for some in axes for axis in some}
    return tuple(axis for axis in range(len(value.shape)) if axis not in taken)


def _joined(value: Value, axes: Any) -> Any:
    return math.prod(value.shape[axis] for axis in axes)


@rule("conv_general_dilated")
def _convolution(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    params = equation.params
    if any(n != 1 for n in params["lhs_dilation"]) or params["batch_group_count"] != 1:
        raise InputError(
            "the program has a transposed convolution, or one whose groups are of the batch: there "
            "is no form in ONNX here; write it as StableHLO instead"
        )
    x, kernel = (graph.full(v, a.aval.shape) for v, a in zip(values, equation.invars))
    numbers = params["dimension_numbers"]
    pads = [low for low, _ in params["padding"]] + [high for _, high in params["padding"]]
    (name,) = graph.add(
        "Conv",
        graph.name(graph.transpose(x, numbers.lhs_spec)),
        graph.name(graph.transpose(kernel, numbers.rhs_spec)),
        strides=params["window_strides"],
        dilations=params["rhs_dilation"],
        group=params["feature_group_count"],
        pads=pads,
    )
    shape = equation.outvars[0].aval.shape
    result = Value(name, tuple(shape[axis] for axis in numbers.out_spec), x.dtype)
    back = [numbers.out_spec.index(axis) for axis in range(len(shape))]
    return [graph.transpose(result, back)]
