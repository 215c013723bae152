"""Numbers of policies: checked where they are known, compared whichever arrays they are in."""

import numbers
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.policies.base import MOST_STEPS

_NO_NUMBERS = bool, np.bool_, str, bytes, list, tuple, dict, set


def checked(name: str, value: Any, *, above: float | None = None, most: float | None = None) -> Any:
    """Checks a number; arrays of JAX and tracers pass, as does what stands for them in a tree.

    Args:
        name: what messages call it.
        value: a number, or an array [B] of one for each sample.
        above: what it has to be above; None where it has to be at least 0.
        most: the largest there may be; None for any.

    Returns:
        The value; numbers as a float.

    Raises:
        InputError: if it is none of these.
    """
    known = isinstance(value, numbers.Real | np.ndarray)
    if isinstance(value, _NO_NUMBERS) or (isinstance(value, numbers.Number) and not known):
        raise InputError(f"{name} is {value!r}: a number is needed, or an array [B] of them")
    if not known:
        return value
    array = np.asarray(value)
    if array.size == 0 or not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{name} is {value!r}: a number is needed, or an array [B] of them")
    low = array.min() >= 0 if above is None else array.min() > above
    if not (np.isfinite(array).all() and low and (most is None or array.max() <= most)):
        allowed = "at least 0" if above is None else f"above {above:g}"
        allowed += "" if most is None else f" and at most {most:g}"
        raise InputError(f"{name} is {value}: a finite number {allowed} is needed")
    # One type for all numbers, or 1 and 1.0 would be compiled apart.
    return value if isinstance(value, np.ndarray) else float(value)


def checked_whole(name: str, value: Any) -> Any:
    """Checks a whole number from 1 to `MOST_STEPS`, of whatever type; the rest is as of `checked`.

    Raises:
        InputError: if it is none.
    """
    number = checked(name, value)
    if is_known(number):
        is_whole = np.equal(np.mod(number, 1), 0)
        # On a device it is int32, where a larger one would be another number.
        if not (is_whole & np.greater(number, 0) & np.less_equal(number, MOST_STEPS)).all():
            raise InputError(
                f"{name} is {value!r}: a whole number from 1 to {MOST_STEPS} is needed"
            )
    return int(number) if isinstance(number, float) else number


def check_samples(policy: Any, names: Iterable[str], batch_size: int) -> None:
    """Checks that numbers of a policy are there, one for all samples or one for each.

    Raises:
        InputError: if there are those of another number of samples.
    """
    for name in names:
        value = getattr(policy, name)
        if value is None:
            raise InputError(f"{name} is None: a number is needed, or an array [B] of them")
        shape = jnp.shape(value)
        if shape not in ((), (batch_size,)):
            raise InputError(
                f"{name} has shape {list(shape)}: a number is needed, or one for each sample, "
                f"{[batch_size]}"
            )


def same(a: Any, b: Any) -> bool:
    """Whether two numbers or arrays are equal."""
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))


def is_known(value: Any) -> bool:
    """Whether a number can be looked at: tracers cannot, nor what stands for them in a tree."""
    return isinstance(value, numbers.Real | np.ndarray)
