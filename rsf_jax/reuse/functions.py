"""Networks of all kinds, as functions of their variables and a frame."""

import sys
from collections.abc import Callable
from typing import Any

import flax.linen as nn

from rsf_jax.errors import InputError
from rsf_jax.typing import Array, Variables

# A Flax module, of Linen or NNX, or a function.
Network = nn.Module | Callable[..., Any]


def as_function(
    network: Network, variables: Variables | None
) -> tuple[Callable[[Any, Array], Any], Any]:
    """Returns a function of variables and a frame, and its variables.

    Args:
        network: a Flax module of Linen, with its variables; one of NNX, whose own variables are
            taken unless others are given; or a function `(variables, frame) -> output`.
        variables: of the network.

    Raises:
        InputError: if it is none of these, or variables are missing.
    """
    if not callable(network):
        raise InputError(f"network is {network!r}: a Flax module or a function is needed")
    nnx = sys.modules.get("flax.nnx")  # who has such a module has loaded it
    if nnx is not None and isinstance(network, nnx.Module):
        definition, own = nnx.split(network)
        return (
            lambda variables, frame: nnx.merge(definition, variables)(frame),
            own if variables is None else variables,
        )
    if variables is None:
        raise InputError("variables are missing: a module of NNX alone has its own")
    if isinstance(network, nn.Module):
        return network.apply, variables
    return network, variables
