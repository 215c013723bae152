"""The part of a state that has derivatives: a carry may count, too."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.typing import Array, Carry


def floats(carry: Carry) -> list[Array]:
    """Returns the arrays of floating-point numbers in a state."""
    return [x for x in jax.tree.leaves(carry) if _is_float(x)]


def wide_floats(carry: Carry) -> list[Array]:
    """Returns the same in float32 at least, to be added up and multiplied."""
    return [jnp.asarray(x, jnp.promote_types(x.dtype, jnp.float32)) for x in floats(carry)]


def with_floats(carry: Carry, values: Sequence[Array]) -> Carry:
    """Returns a state with others instead of what `floats` returns of it, of the same types."""
    others = iter(values)
    return jax.tree.map(
        lambda x: jnp.asarray(next(others), jnp.result_type(x)) if _is_float(x) else x, carry
    )


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)
