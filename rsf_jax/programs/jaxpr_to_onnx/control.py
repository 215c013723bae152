"""Functions within functions, loops and branches."""

from typing import Any

import jax
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.ops.scans import scan_parts
from rsf_jax.programs.jaxpr_to_onnx.graph import Graph, Value, known
from rsf_jax.programs.jaxpr_to_onnx.rules import convert_jaxpr, rule

_BOOL = jax.ShapeDtypeStruct((), np.bool_)
_INT64 = jax.ShapeDtypeStruct((), np.int64)


@rule("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint")
def _call(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    inner = next(equation.params[key] for key in ("jaxpr", "call_jaxpr") if key in equation.params)
    return _closed(graph, inner, values)


rule("remat", "remat2")(_call)


@rule("platform_index")
def _platform(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    """What is meant for CPUs: it asks for no operation that is an accelerator's."""
    platforms = equation.params["platforms"]
    others = [n for n, names in enumerate(platforms) if names is None]
    cpus = [n for n, names in enumerate(platforms) if names and "cpu" in names]
    return [known(np.int32([*cpus, *others, 0][0]))]


@rule("cond")
def _branches(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    (index, *arguments), branches = values, equation.params["branches"]
    if index.known is not None:
        chosen = int(np.clip(index.known, 0, len(branches) - 1))
        return _closed(graph, branches[chosen], arguments)
    return _choose(graph, index, list(branches), arguments, 0)


def _choose(
    graph: Graph, index: Value, branches: list[Any], arguments: list[Value], first: int
) -> list[Value]:
    """What the branch of an index gives, of those from a first one on."""
    avals = branches[0].out_avals
    if len(branches) == 1:
        return _closed(graph, branches[0], arguments)
    is_first = graph.of("LessOrEqual", [index, known(np.asarray(first, index.dtype))], bool)
    then, otherwise = graph.inner(), graph.inner()
    for inner, results in (
        (then, _closed(then, branches[0], arguments)),
        (otherwise, _choose(otherwise, index, branches[1:], arguments, first + 1)),
    ):
        for value, aval in zip(results, avals):
            inner.output(value, aval)
    names = graph.add(
        "If",
        graph.name(is_first),
        outputs=len(avals),
        then_branch=then.proto("then"),
        else_branch=otherwise.proto("otherwise"),
    )
    return _results(names, avals)


@rule("while")
def _while(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    params, atoms = equation.params, equation.invars
    of_condition, of_body = params["cond_nconsts"], params["body_nconsts"]
    consts, body_consts = values[:of_condition], values[of_condition : of_condition + of_body]
    begin = of_condition + of_body
    state = [graph.full(v, a.aval.shape) for v, a in zip(values[begin:], atoms[begin:])]
    (goes_on,) = _closed(graph, params["cond_jaxpr"], [*consts, *state])
    avals = [atom.aval for atom in atoms[begin:]]

    inner, carried = _body(graph, avals)
    after = _closed(inner, params["body_jaxpr"], [*body_consts, *carried])
    (again,) = _closed(inner, params["cond_jaxpr"], [*consts, *after])
    inner.output(again, params["cond_jaxpr"].out_avals[0])
    for value, aval in zip(after, avals):
        inner.output(value, aval)
    names = graph.add(
        "Loop",
        "",  # no bound
        graph.name(goes_on),
        *map(graph.name, state),
        outputs=len(avals),
        body=inner.proto("body"),
    )
    return _results(names, avals)


@rule("scan")
def _scan(graph: Graph, equation: Any, values: list[Value]) -> list[Value]:
    params, atoms = equation.params, equation.invars
    begin, carry = scan_parts(equation)
    end = begin + carry
    if len(atoms) > end or len(equation.outvars) > carry:
        raise InputError(
            "the program goes over an array with lax.scan: there is no form in ONNX here; write "
            "it as StableHLO instead"
        )
    avals = [atom.aval for atom in atoms[begin:end]]
    state = [graph.full(v, aval.shape) for v, aval in zip(values[begin:end], avals)]
    inner, carried = _body(graph, avals)
    after = _closed(inner, params["jaxpr"], [*values[:begin], *carried])
    inner.output(known(np.bool_(True)), _BOOL)
    for value, aval in zip(after, avals):
        inner.output(value, aval)
    names = graph.add(
        "Loop",
        graph.constant(np.int64(params["length"])),
        "",
        *map(graph.name, state),
        outputs=len(avals),
        body=inner.proto("body"),
    )
    return _results(names, avals)


def _body(graph: Graph, avals: list[Any]) -> tuple[Graph, list[Value]]:
    """The graph of a turn, and what it gets of the one before."""
    inner = graph.inner()
    for aval in (_INT64, _BOOL):  # the turn's number, and whether it is one
        inner.input(aval)
    return inner, [inner.input(aval) for aval in avals]


def _closed(graph: Graph, jaxpr: Any, arguments: list[Value]) -> list[Value]:
    """A jaxpr with its constants, or an open one."""
    consts = getattr(jaxpr, "consts", ())
    return convert_jaxpr(graph, getattr(jaxpr, "jaxpr", jaxpr), consts, arguments)


def _results(names: list[str], avals: Any) -> list[Value]:
    return [Value(name, tuple(aval.shape), aval.dtype) for name, aval in zip(names, avals)]
