"""Checks of single values, where users hand them over."""

import difflib
import numbers
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rsf_jax.errors import InputError


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises InputError unless a value is one of some words."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} is {value!r}: choose one of {', '.join(choices)}")


def whole(name: str, value: Any, least: int | None = 1) -> int:
    """Returns a whole number of Python or NumPy as an int.

    Raises:
        InputError: if it is none, or below `least`, unless that is None.
    """
    try:
        # To Python a bool is an int; to a user it is not.
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" of at least {least}"
        raise InputError(f"{name} is {value!r}: a whole number{bound} is needed")
    return number


def check_number(
    name: str, value: Any, needed: str, is_allowed: Callable[[Any], bool]
) -> int | float:
    """Returns a real number of any type as an int or a float of Python, which JSON knows.

    Args:
        name: of the argument.
        value: given for it.
        needed: what the message says, such as "a number above 0 is needed".
        is_allowed: asked of numbers alone; NaN is one.

    Raises:
        InputError: if it is none, or not allowed.
    """
    # To Python a bool is an int; to a user it is not.
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not (is_number and is_allowed(value)):
        raise InputError(f"{name} is {value!r}: {needed}")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def check_inside(name: str, value: Any) -> float:
    """Returns a real number between 0 and 1, neither of them; InputError if it is none."""
    return check_number(name, value, "it must be between 0 and 1", lambda x: 0 < x < 1)


def check_share(name: str, value: Any) -> None:
    """Raises InputError unless it is a real number from 0 to 1, which may be either of them."""
    check_number(name, value, "a share from 0 to 1 is needed", lambda x: 0 <= x <= 1)


def several(name: str, value: Any, needed: str, least: int = 0) -> tuple[Any, ...]:
    """Returns what a list, or anything else that holds several values, holds.

    Args:
        name: of the argument.
        value: given for it. A text holds letters, which nobody means.
        needed: what the message says, such as "a list of texts is needed".
        least: values there must be.

    Raises:
        InputError: if it holds none, or too few.
    """
    try:
        found = None if isinstance(value, str | bytes) else tuple(value)
    except TypeError:
        found = None
    if found is None or len(found) < least:
        raise InputError(f"{name} is {value!r}: {needed}")
    return found


def check_odd(name: str, value: Any) -> None:
    """Raises InputError unless it is an odd whole number of at least 1."""
    if whole(name, value) % 2 == 0:
        raise InputError(f"{name} is {value}: same padding needs an odd one")


def flag(name: str, value: Any) -> bool:
    """Returns a bool of Python or NumPy as one of Python; raises InputError if it is none."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} is {value!r}: True or False is needed")
    return bool(value)


def check_text(name: str, value: Any) -> None:
    """Raises InputError unless it is a text."""
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r}: a text is needed")


def check_function(name: str, value: Any) -> None:
    """Raises InputError unless it can be called."""
    if not callable(value):
        raise InputError(f"{name} is {value!r}: a function is needed")


def suggestion(value: Any, choices: Iterable[str]) -> str:
    """Returns a question for a choice that is close to a value, to end a message, or nothing."""
    close = difflib.get_close_matches(str(value), list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
