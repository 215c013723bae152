"""From a network, any function of JAX, to its graph."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Literal, Var

from rsf_jax.errors import InputError
from rsf_jax.models.recurrent import convolve_frame
from rsf_jax.reuse.graph import (
    BATCH,
    CHANNELS,
    COLUMNS,
    ROWS,
    Constant,
    Convolution,
    Graph,
    Input,
    Layout,
    Node,
    Pointwise,
    Pooling,
    Reach,
    Whole,
    evaluate_equation,
)
from rsf_jax.typing import Array

# Primitives of JAX that treat every value by itself.
# fmt: off
_POINTWISE = frozenset({
    "abs", "add", "add_any", "and", "ceil", "clamp", "convert_element_type", "copy", "cos",
    "div", "eq", "erf", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow",
    "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "name", "ne",
    "neg", "nextafter", "not", "or", "pow", "rem", "round", "rsqrt", "select_n", "sign", "sin",
    "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor",
})
# fmt: on
_STEM = getattr(convolve_frame, "__name__")  # noqa: B009
# Calls whose body takes the same arguments.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
}
_REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin")


class _View(NamedTuple):
    """A node as the network sees it: maps in a layout of its own."""

    node: Node
    layout: Layout | None


def trace(network: Callable[[Any], Any], frame: jax.ShapeDtypeStruct) -> Graph:
    """Returns the graph of a network.

    What does not depend on the frame is computed at once, under whatever transformation the call
    is made.

    Args:
        network: a function of a frame [B, H, W, C]; what it closes over are its weights.
        frame: shape and type of the frame.

    Raises:
        InputError: if the frame is no map, or a layer cannot be reused; its message names it.
    """
    if len(frame.shape) != 4:
        raise InputError(f"frame has shape {frame.shape}: [B, H, W, C] is needed")
    closed, shapes = jax.make_jaxpr(network, return_shape=True)(frame)
    node = Node(Input(), (), tuple(frame.shape), "frame")
    tracer = _Tracer()
    start = _View(node, (BATCH, ROWS, COLUMNS, CHANNELS))
    found = tracer.run(closed.jaxpr, closed.consts, [start], "")
    outputs = tuple(x if isinstance(x, _View) else (tracer.constant(x), None) for x in found)
    return Graph(node, outputs, jax.tree.structure(shapes), tracer.constants)


class _Tracer:
    """Interprets a jaxpr: values are arrays, or views where they depend on the frame."""

    def __init__(self) -> None:
        self.constants: list[Array] = []

    def constant(self, value: Any) -> Constant:
        self.constants.append(jnp.asarray(value))
        return Constant(len(self.constants) - 1)

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], name: str) -> list[Any]:
        values: dict[Var, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args]))

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else values[atom]

        for eqn in jaxpr.eqns:
            inner = f"{name}/{eqn.source_info.name_stack}"
            found = self.apply(eqn, list(map(read, eqn.invars)), inner)
            values.update(zip(eqn.outvars, found))
        return list(map(read, jaxpr.outvars))

    def apply(self, eqn: Any, args: list[Any], name: str) -> list[Any]:
        primitive = eqn.primitive.name
        if not any(isinstance(x, _View) for x in args):
            return evaluate_equation(eqn, args)
        if eqn.params.get("name") == _STEM:
            return [self.stem(args[0], args[1], _layer(name))]
        if primitive in _CALLS:
            body = eqn.params[_CALLS[primitive]]
            inner, consts = getattr(body, "jaxpr", body), getattr(body, "consts", ())
            return self.run(inner, consts, args, name)
        return [self.view(eqn, args, _layer(name))]

    def view(self, eqn: Any, args: list[Any], name: str) -> _View:
        primitive = eqn.primitive.name
        if not any(_is_map(x) for x in args):
            return self.whole(eqn, args, name)
        if primitive in _POINTWISE:
            return self.pointwise(eqn, args, name)
        if primitive == "transpose":
            node, layout = args[0]
            return _View(node, tuple(layout[a] for a in eqn.params["permutation"]))
        if primitive == "conv_general_dilated":
            return self.convolution(eqn, args, name)
        if primitive in ("reduce_window_max", "reduce_window_sum"):
            return self.pooling(eqn, args[0], name)
        if primitive == "dot_general":
            return self.product(eqn, args, name)
        if primitive == "concatenate":
            return self.concatenation(eqn, args, name)
        if primitive == "reshape" or primitive in _REDUCTIONS:
            return self.whole(eqn, args, name)
        raise _unsupported(name, f"operation {primitive}")

    def whole(self, eqn: Any, args: list[Any], name: str) -> _View:
        if len(eqn.outvars) > 1:
            raise _unsupported(name, f"operation {eqn.primitive.name}")
        operands = tuple(x.node if isinstance(x, _View) else self.constant(x) for x in args)
        layouts = tuple(x.layout if isinstance(x, _View) else None for x in args)
        shape = tuple(eqn.outvars[0].aval.shape)
        op = Whole(eqn, layouts)
        return _View(Node(op, operands, shape, name), None)

    def pointwise(self, eqn: Any, args: list[Any], name: str) -> _View:
        layout = _common_layout(args, name)
        operands = tuple(
            x.node if isinstance(x, _View) else self.constant(_canonical(x, layout)) for x in args
        )
        shape = _reordered(eqn.outvars[0].aval.shape, layout)
        return _View(Node(Pointwise(eqn.primitive, eqn.params), operands, shape, name), layout)

    def convolution(self, eqn: Any, args: list[Any], name: str) -> _View:
        x, kernel = args
        params, numbers = eqn.params, eqn.params["dimension_numbers"]
        if isinstance(kernel, _View):
            raise _unsupported(name, "a kernel that depends on the frame")
        if len(numbers.lhs_spec) != 4 or any(d != 1 for d in params["lhs_dilation"]):
            raise _unsupported(name, "a convolution that is transposed or not two-dimensional")
        if params["batch_group_count"] != 1:
            raise _unsupported(name, "a convolution with groups of the batch")
        if tuple(x.layout[a] for a in numbers.lhs_spec) != (BATCH, CHANNELS, ROWS, COLUMNS):
            raise _unsupported(name, "a convolution that swaps axes")
        out, into, *sides = numbers.rhs_spec
        rows, columns = (
            Reach(kernel.shape[side], stride, dilation, *padding)
            for side, stride, dilation, padding in zip(
                sides, params["window_strides"], params["rhs_dilation"], params["padding"]
            )
        )
        layout = _layout_of(numbers.out_spec)
        op = Convolution(rows, columns, params["feature_group_count"], params["precision"])
        weight = self.constant(jnp.transpose(kernel, (*sides, into, out)))
        shape = _reordered(eqn.outvars[0].aval.shape, layout)
        return _View(Node(op, (x.node, weight), shape, name), layout)

    def stem(self, frame: _View, kernel: Array, name: str) -> _View:
        """This library's first convolution, which is written as a product."""
        high, wide, _, channels = kernel.shape
        rows, columns = (Reach(k, before=k // 2, after=k // 2) for k in (high, wide))
        op = Convolution(rows, columns, precision="highest")
        shape = (*frame.node.shape[:CHANNELS], channels)
        node = Node(op, (frame.node, self.constant(kernel)), shape, name)
        return _View(node, (BATCH, CHANNELS, ROWS, COLUMNS))

    def pooling(self, eqn: Any, x: _View, name: str) -> _View:
        params = eqn.params
        reaches = _reordered(
            [
                Reach(size, stride, dilation, *padding)
                for size, stride, dilation, padding in zip(
                    *(params[f"window_{what}"] for what in ("dimensions", "strides", "dilation")),
                    params["padding"],
                )
            ],
            x.layout,
        )
        if any(d != 1 for d in params["base_dilation"]):
            raise _unsupported(name, "pooling with base dilation")
        if reaches[BATCH] != Reach() or reaches[CHANNELS] != Reach():
            raise _unsupported(name, "pooling over channels or the batch")
        largest = eqn.primitive.name == "reduce_window_max"
        op = Pooling(reaches[ROWS], reaches[COLUMNS], largest)
        shape = _reordered(eqn.outvars[0].aval.shape, x.layout)
        name = f"{name}/{'max' if largest else 'sum'}_pool"
        return _View(Node(op, (x.node,), shape, name), x.layout)

    def product(self, eqn: Any, args: list[Any], name: str) -> _View:
        """A dense layer at every pixel is a 1x1 convolution; any other needs the whole map."""
        contracted, batched = eqn.params["dimension_numbers"]
        side = 0 if _is_map(args[0]) else 1
        x, weight = args[side], args[1 - side]
        if isinstance(weight, _View):
            raise _unsupported(name, "a product of two values that depend on the frame")
        axes = [x.layout[a] for a in contracted[side]]
        if batched[0] or weight.ndim != 2 or axes != [CHANNELS]:
            return self.whole(eqn, args, name)
        matrix = weight if contracted[1 - side][0] == 0 else jnp.transpose(weight)
        rest = tuple(a for a in x.layout if a != CHANNELS)
        layout = (*rest, CHANNELS) if side == 0 else (CHANNELS, *rest)
        shape = (*x.node.shape[:CHANNELS], matrix.shape[1])
        op = Convolution(Reach(), Reach(), precision=eqn.params["precision"])
        return _View(Node(op, (x.node, self.constant(matrix[None, None])), shape, name), layout)

    def concatenation(self, eqn: Any, args: list[Any], name: str) -> _View:
        layout = _common_layout(args, name)
        maps = all(map(_is_map, args))
        if not maps or layout[eqn.params["dimension"]] != CHANNELS:
            raise _unsupported(name, "a concatenation of anything but channels of maps")
        op = Pointwise(eqn.primitive, {"dimension": CHANNELS})
        shape = _reordered(eqn.outvars[0].aval.shape, layout)
        return _View(Node(op, tuple(x.node for x in args), shape, name), layout)


def _layer(stack: str) -> str:
    """The name of a layer, of the scopes that Flax opens: `FF.once/FF.step/norm` is `norm`."""
    scopes = list(filter(None, stack.split("/")))
    modules = [scope for scope in scopes if "." not in scope]
    return "/".join(modules) or "".join(scopes[-1:]).rpartition(".")[2]


def _is_map(value: Any) -> bool:
    return isinstance(value, _View) and value.layout is not None


def _common_layout(args: Sequence[Any], name: str) -> Layout:
    """The layout in which maps meet."""
    views = [x for x in args if isinstance(x, _View)]
    if not all(map(_is_map, views)):
        raise _unsupported(name, "maps that meet what depends on the whole frame")
    if len({(x.layout, x.node.shape[:CHANNELS]) for x in views}) > 1:
        raise _unsupported(name, "maps of different shapes that meet")
    layout = views[0].layout
    assert layout is not None
    return layout


def _canonical(value: Any, layout: Layout) -> Array:
    """A constant that meets maps of a layout, so that it broadcasts against B H W C."""
    value = jnp.asarray(value)
    return value if value.ndim == 0 else jnp.transpose(value, [layout.index(a) for a in range(4)])


def _reordered(values: Sequence[Any], layout: Layout | None) -> tuple[Any, ...]:
    """What belongs to the axes of an array, in the order B H W C."""
    assert layout is not None
    return tuple(values[layout.index(a)] for a in range(4))


def _layout_of(spec: Sequence[int]) -> Layout:
    """Where a convolution puts batch, channels, rows and columns, as a layout."""
    layout = [0] * 4
    for axis, place in zip((BATCH, CHANNELS, ROWS, COLUMNS), spec):
        layout[place] = axis
    return tuple(layout)


def _unsupported(name: str, what: str) -> InputError:
    return InputError(
        f"layer {name or '(top)'} cannot be reused across frames: {what}. Supported are "
        "convolutions, dense layers, pooling, normalization with fixed statistics, what acts at "
        "every pixel alone, concatenations of channels, and anything after the last map"
    )
