"""From a network, any function of JAX, to its graph."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal, Var

from rsf_jax.models.recurrent import convolve_frame
from rsf_jax.ops import onednn
from rsf_jax.ops.scans import scan_parts
from rsf_jax.reuse.axes import along, broadcasted, gathered, padded, sliced, stacked
from rsf_jax.reuse.convolving import convolved, stem
from rsf_jax.reuse.graph import (
    BATCH,
    CHANNELS,
    COLUMNS,
    ROWS,
    Constant,
    Graph,
    Input,
    Node,
    Result,
    View,
    Whole,
    evaluate_equation,
)
from rsf_jax.reuse.meeting import broadcasting, concatenated, met
from rsf_jax.reuse.multiplying import multiplied
from rsf_jax.reuse.pooling import pooled
from rsf_jax.reuse.reducing import reduced
from rsf_jax.reuse.reshaping import reshaped
from rsf_jax.reuse.views import NotLocal, layout_of
from rsf_jax.typing import Array

# Primitives of JAX that treat every value by itself.
# fmt: off
_POINTWISE = frozenset({
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh",
    "cbrt", "ceil", "clamp", "convert_element_type", "copy", "copy_p", "cos", "cosh", "digamma",
    "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "imag",
    "integer_pow", "is_finite", "le", "lgamma", "log", "log1p", "logistic", "lt", "max", "min",
    "mul", "name", "ne", "neg", "nextafter", "not", "optimization_barrier", "or",
    "population_count", "pow", "real", "reduce_precision", "rem", "round", "rsqrt", "select_n",
    "shift_left", "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "sinh", "sqrt",
    "square", "stop_gradient", "sub", "tan", "tanh", "xor",
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
_REDUCTIONS = frozenset(
    {
        *("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"),
        *("reduce_xor", "argmax", "argmin"),
    }
)
_ALONG = frozenset({"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort", "top_k"})
# Loops over layers are written out up to so many turns.
_TURNS = 256


def trace(network: Callable[[Any], Any], frame: jax.ShapeDtypeStruct) -> Graph:
    """Returns the graph of a network.

    What does not depend on the frame is computed at once, under whatever transformation the call
    is made.

    Args:
        network: a function of a frame [B, H, W, C]; what it closes over are its weights.
        frame: shape and type of the frame.
    """
    with onednn.left_out():  # which hides what a convolution reads
        closed, shapes = jax.make_jaxpr(network, return_shape=True)(frame)
    node = Node(Input(), (), tuple(frame.shape), frame.dtype, "frame")
    tracer = _Tracer()
    start = View(node, (BATCH, ROWS, COLUMNS, CHANNELS), tuple(frame.shape))
    found = tracer.run(closed.jaxpr, closed.consts, [start], "")
    outputs = tuple(x if isinstance(x, View) else tracer.keep(x) for x in found)
    return Graph(node, outputs, jax.tree.structure(shapes), tracer.constants)


class _Tracer:
    """Interprets a jaxpr: values are arrays, or views where they depend on the frame."""

    def __init__(self) -> None:
        self.constants: list[Array] = []

    def keep(self, value: Any) -> Constant:
        self.constants.append(jnp.asarray(value))
        return Constant(len(self.constants) - 1)

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], name: str) -> list[Any]:
        values: dict[Var, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args]))

        def read(atom: Any) -> Any:
            if isinstance(atom, Literal):
                return np.asarray(atom.val, getattr(atom.aval, "dtype", None))
            return values[atom]

        for eqn in jaxpr.eqns:
            inner = f"{name}/{eqn.source_info.name_stack}"
            found = self.apply(eqn, list(map(read, eqn.invars)), inner)
            values.update(zip(eqn.outvars, found))
        return list(map(read, jaxpr.outvars))

    def apply(self, eqn: Any, args: list[Any], name: str) -> list[Any]:
        primitive = eqn.primitive.name
        if not any(isinstance(x, View) for x in args):
            return _of_constants(eqn, args)
        if not eqn.outvars:  # what prints, and has no result
            return []
        if eqn.params.get("name") == _STEM and isinstance(args[0], View) and args[0].is_map:
            with contextlib.suppress(NotLocal):
                return [stem(args[0], args[1], eqn.outvars[0].aval, _layer(name), self.keep)]
        if primitive in _CALLS:
            body = eqn.params[_CALLS[primitive]]
            inner, consts = getattr(body, "jaxpr", body), getattr(body, "consts", ())
            return self.run(inner, consts, args, name)
        if primitive == "cond" and not isinstance(args[0], View | jax.core.Tracer):
            body = eqn.params["branches"][int(args[0])]
            return self.run(body.jaxpr, body.consts, args[1:], name)
        if primitive == "scan" and eqn.params["length"] <= _TURNS:
            return self.scan(eqn, args, name)
        if primitive == "concatenate":  # borders of no width may be of what is no map
            args = [x for x in args if x.shape[eqn.params["dimension"]] > 0]
            if len(args) == 1:
                return args
        why = f"operation {primitive}"
        if not all(x.is_map for x in args if isinstance(x, View)):
            why = "what is computed of the whole frame"
        else:
            try:
                found = self.view(eqn, args, _layer(name))
                if found is not None:
                    return found
            except NotLocal as reason:
                why = str(reason)
        return self.whole(eqn, args, _layer(name), why)

    def view(self, eqn: Any, args: list[Any], name: str) -> list[View] | None:
        """What an operation on maps gives; None if it is not known how to do it on maps."""
        primitive, params = eqn.primitive.name, eqn.params
        shape = tuple(eqn.outvars[0].aval.shape)
        if primitive in _POINTWISE and len(eqn.outvars) == 1:
            one = broadcasting(lambda *xs: evaluate_equation(eqn, xs)[0])
            return [met(args, shape, one, name, self.keep)]
        if primitive == "concatenate":
            return [concatenated(args, int(params["dimension"]), shape, name, self.keep)]
        if primitive == "conv_general_dilated":
            return [convolved(args[0], args[1], eqn, name, self.keep)]
        if primitive == "dot_general":
            return [multiplied(args, eqn, name, self.keep)]
        if primitive == "stack":
            return [stacked(args, int(params["axis"]), shape, name, self.keep)]
        if primitive in _ALONG:
            return along(args, eqn, name, self.keep)
        if not isinstance(args[0], View):
            return None
        x, rest = args[0], args[1:]
        if primitive == "transpose":
            order = params["permutation"]
            return [View(x.node, tuple(layout_of(x)[p] for p in order), shape)]
        if primitive in ("reduce_window_max", "reduce_window_sum", "reduce_window_min"):
            return [pooled(x, eqn, name)]
        if primitive in _REDUCTIONS:
            return [reduced(x, eqn, name)]
        if primitive in ("reshape", "squeeze"):
            return [reshaped(x, shape, name)]
        if primitive == "broadcast_in_dim":
            return [broadcasted(x, tuple(map(int, params["broadcast_dimensions"])), shape, name)]
        if primitive == "gather":
            return [gathered(x, rest[0], eqn, name)]
        if primitive == "pad":
            return [padded(x, rest[0], params["padding_config"], name)]
        return sliced(x, rest, eqn, name)

    def whole(self, eqn: Any, args: list[Any], name: str, why: str) -> list[View]:
        """What is always computed anew."""
        operands = tuple(x.node if isinstance(x, View) else self.keep(x) for x in args)
        seen = tuple(x if isinstance(x, View) else None for x in args)
        reads_maps = any(x is not None and x.is_map for x in seen)
        avals = [var.aval for var in eqn.outvars]
        op = Whole(eqn, seen, why if reads_maps else "")
        node = Node(op, operands, avals[0].shape, avals[0].dtype, name)
        if not eqn.primitive.multiple_results:
            return [View(node, None, node.shape)]
        results = [
            Node(Result(i), (node,), aval.shape, aval.dtype, name) for i, aval in enumerate(avals)
        ]
        return [View(result, None, result.shape) for result in results]

    def scan(self, eqn: Any, args: list[Any], name: str) -> list[Any]:
        """A loop over layers, written out."""
        params, body = eqn.params, eqn.params["jaxpr"]
        parts = scan_parts(eqn)
        first, last = parts.consts, parts.consts + parts.carry
        consts, carry, xs = args[:first], args[first:last], args[last:]
        turns = range(params["length"])
        found: list[list[Any]] = []
        for turn in reversed(turns) if params["reverse"] else turns:
            here = [self.call(lambda x, i=turn: x[i], [x], name)[0] for x in xs]
            out = self.run(body.jaxpr, body.consts, [*consts, *carry, *here], name)
            carry = out[: len(carry)]
            found.append(out[len(carry) :])
        if params["reverse"]:
            found.reverse()
        return [*carry, *(self.call(lambda *ys: jnp.stack(ys), ys, name)[0] for ys in zip(*found))]

    def call(self, function: Callable[..., Any], args: Sequence[Any], name: str) -> list[Any]:
        """What a function of JAX gives for values."""
        shapes = [
            jax.ShapeDtypeStruct(x.shape, x.node.dtype if isinstance(x, View) else x.dtype)
            for x in args
        ]
        closed = jax.make_jaxpr(function)(*shapes)
        return self.run(closed.jaxpr, closed.consts, args, name)


def _of_constants(eqn: Any, args: list[Any]) -> list[Any]:
    """An operation on what does not depend on the frame.

    What depends on nothing else either is computed at once even under a transformation: places and
    weights of an interpolation have to be known.
    """
    if any(isinstance(x, jax.core.Tracer) for x in args):
        return evaluate_equation(eqn, args)
    with jax.ensure_compile_time_eval():
        return evaluate_equation(eqn, args)


def _layer(stack: str) -> str:
    """The name of a layer, of the scopes that Flax opens: `FF.once/FF.step/norm` is `norm`."""
    scopes = list(filter(None, stack.split("/")))
    modules = [scope for scope in scopes if "." not in scope]
    return "/".join(modules) or "".join(scopes[-1:]).rpartition(".")[2]
