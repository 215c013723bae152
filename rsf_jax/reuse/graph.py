"""What reuse needs to know of a network: which values are maps, and how they are computed."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import JaxprEqn

from rsf_jax.typing import Array

# The order in which maps are kept, whatever the network's own is: B H W C.
BATCH, ROWS, COLUMNS, CHANNELS = range(4)
# For each axis of a network's own array, which of these it is.
Layout = tuple[int, ...]


class Reach(NamedTuple):
    """What one output reads along one axis: inputs `o stride - before + k dilation`, k < size.

    Attributes:
        size: values read.
        stride: inputs from one output to the next.
        dilation: inputs from one value read to the next.
        before: padding before the first input.
        after: padding behind the last one.
    """

    size: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def extent(self) -> int:
        """Inputs from the first one read to the last one."""
        return (self.size - 1) * self.dilation + 1

    def span(self, outputs: int) -> int:
        """Inputs that so many neighboring outputs read."""
        return (outputs - 1) * self.stride + self.extent


@dataclasses.dataclass(frozen=True)
class Input:
    """The frame."""


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution; its operands are a map and a kernel [KH, KW, C_in / groups, C_out].

    Attributes:
        rows, columns: what an output reads along both axes.
        groups: groups of channels that do not meet.
        precision: of its products, as JAX takes it.
    """

    rows: Reach
    columns: Reach
    groups: int = 1
    precision: Any = None


@dataclasses.dataclass(frozen=True)
class Pooling:
    """The largest value of each window, or the sum; its operand is a map.

    Attributes:
        rows, columns: what an output reads along both axes.
        largest: whether it is the largest value.
    """

    rows: Reach
    columns: Reach
    largest: bool


@dataclasses.dataclass(frozen=True)
class Pointwise:
    """An operation at every pixel alone; its operands are maps and what broadcasts against them.

    Attributes:
        primitive: of JAX.
        params: of the primitive, without shapes.
    """

    primitive: Any
    params: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Whole:
    """An operation that needs whole maps, or none: always computed anew.

    Attributes:
        equation: what it computes, in JAX's words.
        layouts: in which layout it takes each operand; None for what is no map.
    """

    equation: JaxprEqn
    layouts: tuple[Layout | None, ...]


Window = Convolution | Pooling


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A value that depends on the frame.

    Attributes:
        op: what computes it.
        operands: nodes and `Constant`s.
        shape: of a map [B, H, W, C], of any other value as the network has it.
        name: the layer it is computed in, for messages.
    """

    op: Input | Window | Pointwise | Whole
    operands: "tuple[Node | Constant, ...]"
    shape: tuple[int, ...]
    name: str

    @property
    def is_map(self) -> bool:
        """Whether it has a value at every pixel."""
        return not isinstance(self.op, Whole)

    @property
    def nodes(self) -> "tuple[Node, ...]":
        """The operands that depend on the frame."""
        return tuple(x for x in self.operands if isinstance(x, Node))


class Constant(NamedTuple):
    """A value that depends on the network alone: its place in `Graph.constants`."""

    number: int


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A network as seen from its frame.

    Attributes:
        frame: the node of the frame.
        outputs: leaves of what the network returns, each with its layout if it is a map.
        treedef: their structure.
        constants: arrays; those that meet maps broadcast against [B, H, W, C].
    """

    frame: Node
    outputs: tuple[tuple[Node | Constant, Layout | None], ...]
    treedef: jax.tree_util.PyTreeDef
    constants: list[Array]


def evaluate_equation(equation: JaxprEqn, args: Sequence[Any]) -> list[Any]:
    """Computes an equation of a jaxpr, which may be a call, with other values in its operands."""
    bound = equation.primitive.get_bind_params(equation.params)
    # Earlier versions of JAX returned functions beside the parameters.
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    found = equation.primitive.bind(*functions, *args, **params)
    return list(found) if equation.primitive.multiple_results else [found]
