"""Frames and thresholds as users hand them over."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.checks import own_copy
from rsf_jax.errors import InputError
from rsf_jax.typing import Array

_FRAME = tuple("BHWC")


def frames_of(name: str, given: Any, axes: tuple[str, ...] = _FRAME) -> Array:
    """Returns floats as an array whose buffer the caller may write to again at once.

    Args:
        name: of the argument.
        given: an array of NumPy or JAX, or lists.
        axes: that it needs.

    Raises:
        InputError: if it is no array, or one of another type, of other axes or empty.
    """
    needed = f"[{', '.join(axes)}] is needed"
    try:
        found = own_copy(given) if isinstance(given, Array) else jnp.asarray(given)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {type(given).__name__}: an array {needed}") from None
    if found.ndim != len(axes):
        raise InputError(f"{name} has shape {found.shape}: {needed}")
    if 0 in found.shape:
        raise InputError(f"{name} has shape {found.shape}: every axis must be non-empty")
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise InputError(
            f"{name} is of type {found.dtype}: give floats, as {name}.astype(np.float32) / 255"
        )
    if isinstance(found, np.ndarray) and not found.dtype.isnative:
        return found.astype(found.dtype.newbyteorder("="))
    return found


def check_thresholds(thresholds: Any) -> None:
    """Raises InputError unless they are finite numbers: one, several, or one for each name."""
    if not isinstance(thresholds, Mapping):
        check_finite("threshold", thresholds)
        return
    for name, value in thresholds.items():
        check_finite(f"threshold of {name!r}", value)
        if np.ndim(value):
            raise InputError(f"threshold of {name!r} is {value}: one number is needed")


def check_finite(name: str, value: Any) -> None:
    """Raises InputError unless it is a finite number, or an array of such.

    Of an array on a device the values are not looked at, for which one would have to wait.
    """
    if isinstance(value, jax.Array):
        return
    try:
        array = np.asarray(value)
        # Of NumPy's numbers, and those of JAX that NumPy has no kind for; not texts, nor bools.
        is_number = jnp.issubdtype(array.dtype, np.floating) or array.dtype.kind in "iu"
        fits = is_number and bool(np.isfinite(array).all())
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(f"{name} is {value!r}: a finite number is needed")
