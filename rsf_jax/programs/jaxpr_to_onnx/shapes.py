"""Operations that move elements."""

from typing import Any

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.programs.jaxpr_to_onnx.graph import Graph, Value, known
from rsf_jax.programs.jaxpr_to_onnx.rules import rule

_TO_THE_BEGINNING = np.iinfo(np.int64).min


def _full(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    return [graph.full(v, atom.aval.shape) for v, atom in zip(values, equation.invars)]


@rule("broadcast_in_dim")
def _broadcast(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    value, shape = values[0], equation.params["shape"]
    if not value.shape:
        return [value]  # repeated by whoever takes it
    axes = equation.params["broadcast_dimensions"]
    # Its own lengths, or 1: what follows repeats it, or asks for the full array.
    lengths = dict(zip(axes, value.shape))
    return [graph.reshape(value, tuple(lengths.get(axis, 1) for axis in range(len(shape))))]


@rule("reshape", "expand_dims", "squeeze")
def _reshape(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (full,) = _full(graph, equation, values[:1])
    return [graph.reshape(full, equation.outvars[0].aval.shape)]


@rule("transpose")
def _transpose(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (full,) = _full(graph, equation, values)
    return [graph.transpose(full, equation.params["permutation"])]


@rule("concatenate")
def _concatenate(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    names = [graph.name(value) for value in _full(graph, equation, values)]
    (name,) = graph.add("Concat", *names, axis=equation.params["dimension"])
    return [_result(equation, name)]


@rule("stack")
def _stack(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    axis = equation.params["axis"]
    parts = []
    for value in _full(graph, equation, values):
        shape = (*value.shape[:axis], 1, *value.shape[axis:])
        parts.append(graph.name(graph.reshape(value, shape)))
    return [_result(equation, graph.add("Concat", *parts, axis=axis)[0])]


@rule("gather")
def _gather(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    """What indexing by numbers becomes, where a length is a symbol; other gathers are refused."""
    full, given = _full(graph, equation, values)
    indices = given.known
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    axes, result = list(numbers.start_index_map), equation.outvars[0].aval
    if indices is None or numbers.operand_batching_dims:
        raise InputError(
            "the program takes elements of an array at places that it computes, for which there is "
            "no form in ONNX here: write it as StableHLO instead"
        )
    if indices.ndim == 1:  # one part of the array
        starts = [0] * len(sizes)
        for axis, start in zip(axes, indices.tolist()):
            starts[axis] = start
        limits = [start + size for start, size in zip(starts, sizes)]
        bounds = [graph.whole([x[axis] for axis in axes]) for x in (starts, limits)]
        chosen = graph.whole(axes)
        (name,) = graph.add("Slice", graph.name(full), *bounds, chosen)
        return [graph.reshape(Value(name, tuple(sizes), full.dtype), result.shape)]
    grid = _grid(indices)
    kept = tuple(axis for axis in range(len(result.shape)) if axis not in axes)
    if grid is None or numbers.offset_dims != kept or any(sizes[axis] != 1 for axis in axes):
        raise InputError(
            "the program takes elements of an array in a way for which there is no form in ONNX "
            "here: write it as StableHLO instead"
        )
    name = graph.name(full)
    for axis, places in zip(axes, grid):
        (name,) = graph.add("Gather", name, graph.constant(places), axis=axis)
    return [_result(equation, name)]


def _grid(indices: np.ndarray) -> list[np.ndarray] | None:
    """The places along each axis of which indices [N, M, .., axes] are all pairs, if they are."""
    count = indices.shape[-1]
    if indices.ndim != count + 1:
        return None
    places = [
        indices[(0,) * n + (slice(None),) + (0,) * (count - 1 - n) + (n,)] for n in range(count)
    ]
    every = np.stack(np.meshgrid(*places, indexing="ij"), -1)
    return [x.astype(np.int64) for x in places] if np.array_equal(every, indices) else None


@rule("slice")
def _slice(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (full,) = _full(graph, equation, values)
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    axes = [
        axis
        for axis, length in enumerate(full.shape)
        if (starts[axis], limits[axis], steps[axis]) != (0, length, 1)
    ]
    return [_sliced(graph, equation, full, axes, starts, limits, steps)]


@rule("rev")
def _reverse(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (full,) = _full(graph, equation, values)
    axes = list(equation.params["dimensions"])
    starts, limits, steps = ([value] * len(full.shape) for value in (-1, _TO_THE_BEGINNING, -1))
    return [_sliced(graph, equation, full, axes, starts, limits, steps)]


def _sliced(
    graph: Graph, equation: Any, value: Value, axes: list[int], starts: Any, limits: Any, steps: Any
) -> Value:
    if not axes:
        return value
    chosen = [[of[axis] for axis in axes] for of in (starts, limits)]
    chosen += [axes, [steps[axis] for axis in axes]]
    bounds = [graph.whole(numbers) for numbers in chosen]
    return _result(equation, graph.add("Slice", graph.name(value), *bounds)[0])


@rule("dynamic_slice")
def _dynamic_slice(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    full, *starts = _full(graph, equation, values)
    sizes = equation.params["slice_sizes"]
    axes = [axis for axis, length in enumerate(full.shape) if sizes[axis] != length]
    if not axes:
        return [full]
    begins, ends = [], []
    for axis in axes:
        (wanted,) = graph.add("Cast", graph.name(starts[axis]), to=7)  # int64
        most = graph.whole([full.shape[axis] - sizes[axis]])
        (low,) = graph.add("Max", wanted, graph.constant(np.int64(0)))
        (begin,) = graph.add("Min", low, most)
        one = graph.constant(np.array([1], np.int64))
        begins.append(graph.add("Reshape", begin, one)[0])
        size = graph.whole([sizes[axis]])
        ends.append(graph.add("Add", begins[-1], size)[0])
    bounds = [graph.add("Concat", *names, axis=0)[0] for names in (begins, ends)]
    bounds.append(graph.whole(axes))
    return [_result(equation, graph.add("Slice", graph.name(full), *bounds)[0])]


@rule("pad")
def _pad(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    full, filling = _full(graph, equation, values)
    config = equation.params["padding_config"]
    if any(between for _, _, between in config):
        raise InputError("the program pads between elements, for which ONNX has no operation")
    # Less than nothing takes elements away, in ONNX too.
    pads = np.array([[low, high] for low, high, _ in config], np.int64).T.ravel()
    (name,) = graph.add("Pad", graph.name(full), graph.constant(pads), graph.name(filling))
    return [_result(equation, name)]


@rule("split")
def _split(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (full,) = _full(graph, equation, values)
    sizes = graph.whole(equation.params["sizes"])
    names = graph.add(
        "Split",
        graph.name(full),
        sizes,
        outputs=len(equation.outvars),
        axis=equation.params["axis"],
    )
    return [
        Value(name, out.aval.shape, out.aval.dtype) for name, out in zip(names, equation.outvars)
    ]


@rule("cumsum")
def _cumsum(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (full,) = _full(graph, equation, values)
    axis = graph.name(known(np.int64(equation.params["axis"])))
    reverse = int(equation.params["reverse"])
    (name,) = graph.add("CumSum", graph.name(full), axis, reverse=reverse)
    return [_result(equation, name)]


def _result(equation: Any, name: str) -> Value:
    aval = equation.outvars[0].aval
    return Value(name, tuple(aval.shape), aval.dtype)
