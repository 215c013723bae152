"""Meshes whose axes are explicit: arrays then have shardings in their types."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, PartitionSpec

from rsf_jax.typing import Array


def automatic(function: Callable[..., Any], like: Array | None = None) -> Callable[..., Any]:
    """Returns a function in which XLA decides how arrays are sharded, as it does elsewhere.

    Not every operation has a rule by which the sharding of its result would follow.

    Args:
        function: of pytrees of arrays, which returns one.
        like: what the first axis of every result is sharded as; None where devices have the same.
    """
    axes = jax.sharding.get_abstract_mesh().axis_types
    if AxisType.Explicit not in axes:
        return function
    spec = PartitionSpec() if like is None else PartitionSpec(jax.typeof(like).sharding.spec[0])
    return jax.sharding.auto_axes(function, out_sharding=spec)
