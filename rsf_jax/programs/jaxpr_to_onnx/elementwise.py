"""Operations that go by elements, and reductions."""

from typing import Any

import ml_dtypes
import numpy as np
from jax import lax
from onnx import helper

from rsf_jax.errors import InputError
from rsf_jax.programs.jaxpr_to_onnx.graph import Graph, Value, known
from rsf_jax.programs.jaxpr_to_onnx.rules import Rule, rule

_SAME = {
    "abs": "Abs",
    "add": "Add",
    "add_any": "Add",
    "ceil": "Ceil",
    "cos": "Cos",
    "div": "Div",
    "eq": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "log": "Log",
    "logistic": "Sigmoid",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "pow": "Pow",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "sub": "Sub",
    "tanh": "Tanh",
}
_LOGICAL = {"and": "And", "or": "Or", "xor": "Xor", "not": "Not"}
_REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
}


def _dtype(equation: Any) -> np.dtype:
    return equation.outvars[0].aval.dtype


def _plain(operator: str) -> Rule:
    def convert(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
        return [graph.of(operator, values, _dtype(equation))]

    return convert


for _name, _operator in _SAME.items():
    rule(_name)(_plain(_operator))


def _logical(operator: str) -> Rule:
    def convert(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
        of_bits = _dtype(equation) != np.bool_
        return [graph.of("Bitwise" * of_bits + operator, values, _dtype(equation))]

    return convert


for _name, _operator in _LOGICAL.items():
    rule(_name)(_logical(_operator))


@rule("ne")
def _differs(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return [graph.of("Not", [graph.of("Equal", values, bool)], bool)]


@rule("rsqrt")
def _rsqrt(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    dtype = _dtype(equation)
    return [graph.of("Reciprocal", [graph.of("Sqrt", values, dtype)], dtype)]


@rule("square")
def _square(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return [graph.of("Mul", values * 2, _dtype(equation))]


@rule("integer_pow")
def _integer_pow(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    power, dtype = equation.params["y"], _dtype(equation)
    if power == 2:
        return [graph.of("Mul", values * 2, dtype)]
    return [graph.of("Pow", [*values, known(np.asarray(power, dtype))], dtype)]


@rule("exp2")
def _exp2(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return [graph.of("Pow", [known(np.asarray(2, _dtype(equation))), *values], _dtype(equation))]


@rule("log1p")
def _log1p(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    dtype = _dtype(equation)
    one = known(np.asarray(1, dtype))
    return [graph.of("Log", [graph.of("Add", [*values, one], dtype)], dtype)]


@rule("expm1")
def _expm1(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    dtype = _dtype(equation)
    one = known(np.asarray(1, dtype))
    return [graph.of("Sub", [graph.of("Exp", values, dtype), one], dtype)]


@rule("rem")
def _remainder(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return [graph.of("Mod", values, _dtype(equation), fmod=1)]


@rule("round")
def _round(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    dtype = _dtype(equation)
    if equation.params["rounding_method"] == lax.RoundingMethod.TO_NEAREST_EVEN:
        return [graph.of("Round", values, dtype)]
    half = known(np.asarray(0.5, dtype))
    size = graph.of(
        "Floor", [graph.of("Add", [graph.of("Abs", values, dtype), half], dtype)], dtype
    )
    return [graph.of("Mul", [graph.of("Sign", values, dtype), size], dtype)]


@rule("clamp")
def _clamp(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    low, x, high = values
    dtype = _dtype(equation)
    return [graph.of("Max", [graph.of("Min", [x, high], dtype), low], dtype)]


@rule("is_finite")
def _is_finite(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    odd = [graph.of(operator, values, bool) for operator in ("IsInf", "IsNaN")]
    return [graph.of("Not", [graph.of("Or", odd, bool)], bool)]


@rule("convert_element_type")
def _cast(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return [_as(graph, values[0], _dtype(equation))]


@rule("reduce_precision")
def _round_bits(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    bits = (equation.params["exponent_bits"], equation.params["mantissa_bits"])
    kinds = {(8, 7): ml_dtypes.bfloat16, (5, 10): np.float16, (8, 23): np.float32}
    if bits not in kinds:
        raise InputError(
            f"the program rounds to {bits[0]} bits of exponent and {bits[1]} of mantissa, which no "
            "type of ONNX has: write it as StableHLO instead"
        )
    return [_as(graph, _as(graph, values[0], kinds[bits]), _dtype(equation))]


@rule("select_n")
def _select(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    which, first, *others = values
    if len(others) == 1:
        return [graph.of("Where", [_as(graph, which, bool), others[0], first], _dtype(equation))]
    result = first
    for index, other in enumerate(others, 1):
        chosen = graph.of("Equal", [which, known(np.asarray(index, which.dtype))], bool)
        result = graph.of("Where", [chosen, other, result], _dtype(equation))
    return [result]


@rule("copy", "copy_p", "device_put", "name", "optimization_barrier", "pcast", "pvary")
@rule("stop_gradient")
def _as_it_is(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return values


def _reduction(operator: str) -> Rule:
    def convert(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
        return [_reduced(graph, operator, values[0], equation)]

    return convert


for _name, _operator in _REDUCTIONS.items():
    rule(_name)(_reduction(_operator))


@rule("reduce_and", "reduce_or")
def _logical_reduction(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    operator = "ReduceMin" if equation.primitive.name == "reduce_and" else "ReduceMax"
    number = _as(graph, values[0], np.int32)
    return [_as(graph, _reduced(graph, operator, number, equation), bool)]


@rule("argmax", "argmin")
def _arg(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    operator = {"argmax": "ArgMax", "argmin": "ArgMin"}[equation.primitive.name]
    (axis,), result = equation.params["axes"], equation.outvars[0].aval
    full = graph.full(values[0], equation.invars[0].aval.shape)
    (name,) = graph.add(operator, graph.name(full), axis=axis, keepdims=0)
    return [_as(graph, Value(name, result.shape, np.dtype(np.int64)), result.dtype)]


def _reduced(graph: Graph, operator: str, value: Value, equation: Any) -> Value:
    axes, result = equation.params["axes"], equation.outvars[0].aval
    full = graph.full(value, equation.invars[0].aval.shape)
    if not axes:
        return full
    wanted = graph.constant(np.array(axes, np.int64))
    (name,) = graph.add(operator, graph.name(full), wanted, keepdims=0)
    return Value(name, result.shape, value.dtype)


def _as(graph: Graph, value: Value, dtype: Any) -> Value:
    """A value of another type."""
    dtype = np.dtype(dtype)
    if value.dtype == dtype:
        return value
    return graph.of("Cast", [value], dtype, to=helper.np_dtype_to_tensor_dtype(dtype))
