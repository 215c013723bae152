"""What each primitive of JAX becomes: rules by its name."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from rsf_jax.errors import InputError
from rsf_jax.programs.jaxpr_to_onnx.graph import Graph, Value, known

# (graph, equation, what stands for its arguments) -> what stands for its results
Rule = Callable[[Graph, Any, list[Value]], Sequence[Value]]
RULES: dict[str, Rule] = {}
# These see to known arguments themselves.
_NEVER_COMPUTED = {"broadcast_in_dim", "while", "scan", "cond", "platform_index"}
_MOST_COMPUTED = 65536  # values of a result that is computed here, and stored


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for primitives of some names."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def convert_jaxpr(
    graph: Graph, jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Value]
) -> list[Value]:
    """Adds all that a jaxpr does to a graph.

    Args:
        graph: gets the nodes.
        jaxpr: an open one.
        consts: its constants, arrays.
        arguments: what stands for its arguments.

    Returns:
        What stands for its results.

    Raises:
        InputError: if there is a primitive without a rule.
    """
    found: dict[Any, Value] = dict(zip(jaxpr.invars, arguments))
    found.update(zip(jaxpr.constvars, map(known, consts)))

    def read(atom: Any) -> Value:
        return known(np.asarray(atom.val, atom.aval.dtype)) if _is_literal(atom) else found[atom]

    for equation in jaxpr.eqns:
        results = _convert(graph, equation, [read(atom) for atom in equation.invars])
        found.update(zip(equation.outvars, results))
    return [read(atom) for atom in jaxpr.outvars]


def _convert(graph: Graph, equation: Any, values: list[Value]) -> Sequence[Value]:
    name = equation.primitive.name
    if _can_be_computed(equation, values):
        full = [graph.full(v, a.aval.shape).known for v, a in zip(values, equation.invars)]
        found = equation.primitive.bind(*map(jax.numpy.asarray, full), **equation.params)
        return [known(x) for x in (found if equation.primitive.multiple_results else [found])]
    if name not in RULES:
        raise InputError(
            f"the program has the operation {name!r}, for which there is no form in ONNX here: "
            "write it as StableHLO instead"
        )
    return RULES[name](graph, equation, values)


def _can_be_computed(equation: Any, values: list[Value]) -> bool:
    """Whether the results are numbers that nothing the program gets can change."""
    if equation.primitive.name in _NEVER_COMPUTED or any(v.known is None for v in values):
        return False
    if any("jaxpr" in parameter for parameter in equation.params):
        return False
    sizes = [a.aval.shape for a in (*equation.outvars, *equation.invars)]
    return all(
        all(isinstance(n, int) for n in shape) and np.prod(shape, dtype=int) <= _MOST_COMPUTED
        for shape in sizes
    )


def _is_literal(atom: Any) -> bool:
    return isinstance(atom, Literal)
