"""Functions as models of ONNX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from onnx import helper

# Their rules are registered.
from rsf_jax.programs.jaxpr_to_onnx import control, elementwise, products, shapes  # noqa: F401
from rsf_jax.programs.jaxpr_to_onnx.graph import OPSET, Graph
from rsf_jax.programs.jaxpr_to_onnx.rules import convert_jaxpr
from rsf_jax.version import __version__

_IR_VERSION = 8  # of the file: what ONNX Runtime has read since 1.12


def convert(
    function: Callable[..., Sequence[Any]],
    parameters: Mapping[str, np.ndarray],
    inputs: Mapping[str, jax.ShapeDtypeStruct],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Returns a function as a model of ONNX.

    Args:
        function: traceable; of a dict of parameters and a list of inputs, it returns a sequence of
            arrays.
        parameters: arrays that are stored in the model, by name.
        inputs: shapes and types by name. The first axis may be a symbol of `jax.export`, the same
            one everywhere.
        outputs: names of the results, others than those of the inputs.

    Raises:
        InputError: if there is an operation that has no form in ONNX here.
    """
    like = {n: jax.ShapeDtypeStruct(x.shape, x.dtype) for n, x in parameters.items()}
    traced = jax.jit(function).trace(like, list(inputs.values())).jaxpr
    graph = Graph()
    # As JAX flattens a dict.
    arguments = [graph.parameter(name, np.asarray(parameters[name])) for name in sorted(parameters)]
    given = [graph.input(struct, name) for name, struct in inputs.items()]
    sized = next((v for v in given if v.shape and not isinstance(v.shape[0], int)), None)
    if sized is not None:
        (lengths,) = graph.add("Shape", sized.name, start=0, end=1)
        graph.batch = lengths
    results = convert_jaxpr(graph, traced.jaxpr, traced.consts, [*arguments, *given])
    for name, value, aval in zip(outputs, results, traced.out_avals, strict=True):
        graph.output(value, aval, name)
    model = helper.make_model(
        graph.proto("program"),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="rsf_jax",
        producer_version=__version__,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
