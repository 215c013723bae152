"""What a loop carries is made with the types of what it will hold."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def as_held(carry: Any, *inputs: Any) -> Any:
    """Returns what a loop begins with, of the types that it has after a turn.

    Under `shard_map` an array varies over the axes of the mesh that it depends on, and constants
    over none; and what is computed with weights of float64 is of float64.

    Args:
        carry: a pytree of arrays.
        inputs: pytrees of what it is computed with in the loop.
    """
    is_double = any(jax.typeof(x).dtype == jnp.float64 for x in jax.tree.leaves(inputs))
    if is_double:
        carry = jax.tree.map(_as_double, carry)
    return as_varying(carry, inputs)


def as_varying(carry: Any, inputs: Any) -> Any:
    """Returns a pytree as it is, but varying over every axis that any of the inputs varies over."""
    axes = frozenset[Any]().union(*map(_axes, jax.tree.leaves(inputs)))
    if not axes:
        return carry

    def fit(x: Any) -> Any:
        missing = tuple(axes - _axes(x))
        return lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(fit, carry)


def _axes(x: Any) -> frozenset[Any]:
    kind = jax.typeof(x)
    # Versions of JAX differ in where they keep it.
    manual = getattr(kind, "manual_axis_type", None)
    return manual.varying if manual is not None else getattr(kind, "vma", frozenset())


def _as_double(x: Any) -> Any:
    return jnp.asarray(x, jnp.float64) if jnp.result_type(x) == jnp.float32 else x
