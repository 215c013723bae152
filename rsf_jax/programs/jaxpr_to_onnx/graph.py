"""A graph of ONNX while it is written, and what stands for an array in it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rsf_jax.errors import InputError

OPSET = 18  # the first whose reductions take their axes in one way
Shape = tuple[Any, ...]  # a length is a whole number, or a symbol of `jax.export`: the batch
_MOST_KNOWN = 4096  # values that are written out where one number could be repeated


@dataclasses.dataclass(frozen=True)
class Value:
    """What stands for an array.

    Attributes:
        name: in the graph; "" where the array is known and not written yet.
        shape: of what the name holds. An axis of length 1 may stand for a longer one, and () for
            any shape: operations of ONNX that go by elements repeat it themselves.
        dtype: of its elements.
        known: the array, where it does not depend on the program's inputs.
    """

    name: str
    shape: Shape
    dtype: np.dtype
    known: np.ndarray | None = None


def known(array: Any) -> Value:
    """Returns what stands for an array that is known."""
    array = np.asarray(array)
    return Value("", array.shape, array.dtype, array)


class Graph:
    """Nodes in the order in which they run; an inner one is the body of a loop or a branch.

    Inner graphs see the names of those around them, so that names are unique among all.

    Args:
        outer: the graph around it; None for a whole program.
    """

    def __init__(self, outer: "Graph | None" = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._root: Graph = outer._root if outer else self
        if outer is None:
            self.initializers: dict[str, onnx.TensorProto] = {}
            self.batch: str | None = None  # the name that holds its size, int64 [1]
            self._constants: dict[Any, str] = {}
            self._transposed: dict[str, tuple[Value, tuple[int, ...]]] = {}
            self._count = 0

    def inner(self) -> "Graph":
        """Returns an empty graph within this one."""
        return Graph(self)

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Adds a node; returns the names of its results."""
        names = [self._fresh() for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def of(self, operator: str, values: Sequence[Value], dtype: Any, **attributes: Any) -> Value:
        """Adds a node that goes by elements, and repeats axes of length 1."""
        (name,) = self.add(operator, *map(self.name, values), **attributes)
        return Value(name, repeated([value.shape for value in values]), np.dtype(dtype))

    def name(self, value: Value) -> str:
        """Returns the name of a value, written as a constant if it is known alone."""
        return self.constant(value.known) if value.known is not None else value.name

    def constant(self, array: Any) -> str:
        """Returns the name of a constant."""
        array, root = np.asarray(array), self._root
        key = (array.shape, array.dtype, array.tobytes())
        if key not in root._constants:
            root._constants[key] = self.parameter(self._fresh("c"), array).name
        return root._constants[key]

    def parameter(self, name: str, array: np.ndarray) -> Value:
        """Stores an array under a name of one's own."""
        # In C order, which the file has.
        tensor = numpy_helper.from_array(np.array(array, order="C"), name)
        self._root.initializers[name] = tensor
        return Value(name, array.shape, array.dtype)

    def input(self, aval: Any, name: str | None = None) -> Value:
        """Adds an input of a shape and type."""
        value = Value(name or self._fresh("i"), tuple(aval.shape), np.dtype(aval.dtype))
        self.inputs.append(_described(value.name, value.shape, value.dtype))
        return value

    def output(self, value: Value, aval: Any, name: str | None = None) -> None:
        """Adds an output, of a name of its own."""
        value, name = self.full(value, aval.shape), name or self._fresh("o")
        # As a copy: what comes from outside of the graph, or leaves it twice, has another name.
        self.nodes.append(helper.make_node("Identity", [self.name(value)], [name]))
        self.outputs.append(_described(name, tuple(aval.shape), value.dtype))

    def full(self, value: Value, shape: Shape) -> Value:
        """Returns a value whose axes have the lengths that they stand for."""
        if value.shape == tuple(shape):
            return value
        sized = all(isinstance(length, int) for length in shape)
        if sized and 0 in shape:
            return known(np.zeros(shape, value.dtype))  # runtimes leave out such an Expand
        if value.known is not None and sized and np.prod(shape, dtype=int) <= _MOST_KNOWN:
            return known(np.broadcast_to(value.known, shape))
        (name,) = self.add("Expand", self.name(value), self.shape(shape))
        return Value(name, tuple(shape), value.dtype)

    def reshape(self, value: Value, shape: Shape) -> Value:
        """Returns a value with other axes; it must be a full one."""
        if value.shape == tuple(shape):
            return value
        if value.known is not None:
            return known(value.known.reshape(shape))
        symbols = [length for length in shape if not isinstance(length, int)]
        # Unless told so, a length of 0 would mean the one that is there; and -1 none beside it.
        options: dict[str, Any] = {"allowzero": 1} if 0 in shape else {}
        lengths = (
            self.whole([n if isinstance(n, int) else -1 for n in shape])
            if len(symbols) < 2 and not options
            else self.shape(shape)
        )
        (name,) = self.add("Reshape", self.name(value), lengths, **options)
        return Value(name, tuple(shape), value.dtype)

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """Returns a value with its axes in another order; of two in a row one is left."""
        order = tuple(order)
        if value.known is not None:
            return known(value.known.transpose(order))
        transposed = self._root._transposed
        if value.name in transposed:
            value, before = transposed[value.name]
            order = tuple(before[axis] for axis in order)
        if order == tuple(range(len(order))):
            return value
        (name,) = self.add("Transpose", value.name, perm=order)
        result = Value(name, tuple(value.shape[axis] for axis in order), value.dtype)
        transposed[name] = (value, order)
        return result

    def shape(self, shape: Shape) -> str:
        """Returns the name of a shape, int64 [axes].

        Raises:
            InputError: if a length is neither a number nor the batch.
        """
        if all(isinstance(length, int) for length in shape):
            return self.whole(shape)
        batch = self._root.batch
        parts = []
        for length in shape:
            if batch is not None and str(length).isidentifier():
                parts.append(batch)
            else:
                parts.append(self.whole([length]))
        return self.add("Concat", *parts, axis=0)[0]

    def whole(self, numbers: Sequence[Any]) -> str:
        """Returns the name of some lengths or places, int64 [n].

        Raises:
            InputError: if one of them depends on the batch.
        """
        for number in numbers:
            if not isinstance(number, int | np.integer):
                raise InputError(
                    f"an array of the program has a length of {number}: with any number of videos "
                    "ONNX gets lengths that do not depend on it; give a batch"
                )
        return self.constant(np.array(numbers, np.int64))

    def proto(self, name: str) -> onnx.GraphProto:
        """Returns the graph as ONNX has it, without what nothing needs."""
        needed = {output.name for output in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed |= _needed_by(node)
        stored = []
        if self._root is self:
            stored = [tensor for name, tensor in self.initializers.items() if name in needed]
        return helper.make_graph(kept[::-1], name, self.inputs, self.outputs, stored)

    def _fresh(self, kind: str = "v") -> str:
        self._root._count += 1
        return f"{kind}{self._root._count}"


def repeated(shapes: Sequence[Shape]) -> Shape:
    """Returns the shape of what goes by elements over arrays of some shapes."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((n for n in axis if not _is_one(n)), 1) for axis in zip(*padded))


def _is_one(length: Any) -> bool:
    return isinstance(length, int) and length == 1


def _needed_by(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, within its inner graphs too."""
    found = set(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            found |= {output.name for output in attribute.g.output}
            found |= set[str]().union(*map(_needed_by, attribute.g.node))
    return found


def _described(name: str, shape: Shape, dtype: np.dtype) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    return helper.make_tensor_value_info(
        name, kind, [n if isinstance(n, int) else "B" for n in shape]
    )
