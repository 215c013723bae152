"""What reuse needs to know of a network: which values are maps, and how they are computed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import JaxprEqn

from rsf_jax.reuse.sampling import Sampling
from rsf_jax.typing import Array

# The order in which maps are kept, whatever the network's own is: B H W C. While a map is computed
# its channels may have several axes, or none: from the fourth on all are channels.
BATCH, ROWS, COLUMNS, CHANNELS = range(4)
# For each axis of a network's own array, which of these it is; None if the value is the same all
# along it. Axes of a map that are named nowhere have one value.
Layout = tuple[int | None, ...]


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

    def start(self, at: Any, outputs: int) -> Any:
        """The first input that so many outputs from place `at` on read, padding counted."""
        del outputs
        return at * self.stride - self.before

    def margin(self, outputs: int, inputs: int) -> tuple[int, int]:
        """Values that are read in front of all inputs and behind them."""
        return self.before, self.span(outputs) - self.before - inputs


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
        dtype: of its result, as JAX takes it; None for that of its operands.
    """

    rows: Reach
    columns: Reach
    groups: int = 1
    precision: Any = None
    dtype: Any = None


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
class Reduction:
    """Sums, means or other statistics of whole rows, columns, or both; its operand is a map.

    Attributes:
        rows, columns: what an output reads along both axes: all, or one.
        apply: [b, h, w, ...] to the statistics, in which what was reduced has one row or column.
    """

    rows: Reach
    columns: Reach
    apply: Callable[[Any], Array]


@dataclasses.dataclass(frozen=True)
class Resampling:
    """Every output is made of a few inputs of rows, columns, or both; its operand is a map.

    Attributes:
        steps: axes (ROWS or COLUMNS, each once at most) and how they are sampled, in this order.
    """

    steps: tuple[tuple[int, Sampling], ...]

    @property
    def rows(self) -> Reach | Sampling:
        """What an output reads along the rows."""
        return dict(self.steps).get(ROWS, Reach())

    @property
    def columns(self) -> Reach | Sampling:
        """What an output reads along the columns."""
        return dict(self.steps).get(COLUMNS, Reach())


@dataclasses.dataclass(frozen=True)
class Pointwise:
    """An operation at every pixel alone; its operands are maps and what broadcasts against them.

    Attributes:
        apply: of parts [b, h, w, ...] of the operands, any of which may have one row or column.
    """

    apply: Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class Whole:
    """An operation that needs whole maps, or none: always computed anew.

    Attributes:
        equation: what it computes, in JAX's words.
        seen: how it takes each operand; None for a constant.
        why: what cannot be reused, in words; empty if nothing it reads is a map.
    """

    equation: JaxprEqn
    seen: "tuple[View | None, ...]"
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Result:
    """One of the values that a `Whole`, its operand, computes."""

    number: int


Window = Convolution | Pooling | Reduction | Resampling


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A value that depends on the frame.

    Attributes:
        op: what computes it.
        operands: nodes and `Constant`s.
        shape: of a map [B, H, W, ...], of any other value as the network has it.
        dtype: of its values.
        name: the layer it is computed in, for messages.
    """

    op: Input | Window | Pointwise | Whole | Result
    operands: "tuple[Node | Constant, ...]"
    shape: tuple[int, ...]
    dtype: np.dtype
    name: str

    @property
    def is_map(self) -> bool:
        """Whether it has a value at every pixel, or is made of such as one of a single pixel."""
        return not isinstance(self.op, Whole | Result)

    @property
    def channels(self) -> tuple[int, ...]:
        """Shape of what a map has at every pixel."""
        return self.shape[CHANNELS:]

    @property
    def nodes(self) -> "tuple[Node, ...]":
        """The operands that depend on the frame."""
        return tuple(x for x in self.operands if isinstance(x, Node))


class Constant(NamedTuple):
    """A value that depends on the network alone: its place in `Graph.constants`."""

    number: int


class View(NamedTuple):
    """A node as the network sees it.

    Attributes:
        node: the node.
        layout: of a map, what its axes are; None for any other value.
        shape: as the network has it.
    """

    node: Node
    layout: Layout | None
    shape: tuple[int, ...]

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return self.layout is not None


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A network as seen from its frame.

    Attributes:
        frame: the node of the frame.
        outputs: leaves of what the network returns.
        treedef: their structure.
        constants: arrays; those that meet maps broadcast against [B, H, W, C].
    """

    frame: Node
    outputs: tuple[View | Constant, ...]
    treedef: jax.tree_util.PyTreeDef
    constants: list[Array]


def evaluate_equation(equation: JaxprEqn, args: Sequence[Any]) -> list[Any]:
    """Computes an equation of a jaxpr, which may be a call, with other values in its operands."""
    bound = equation.primitive.get_bind_params(equation.params)
    # Earlier versions of JAX returned functions beside the parameters.
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    found = equation.primitive.bind(*functions, *args, **params)
    return list(found) if equation.primitive.multiple_results else [found]
