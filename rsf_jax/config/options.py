"""A module's own hyper-parameters in a line of text: `depth=2,gain=0.5`.

What there is to set are the fields of the module, a dataclass, that the library does not set
itself: those of the types int, float, bool and str.
"""

import dataclasses
import math
from collections.abc import Collection
from typing import Any

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError

_TYPES: tuple[type, ...] = (bool, int, float, str)
_LARGEST = 2**31 - 1  # counts are int32 on a device
_NEEDED = {
    bool: "true or false",
    int: f"a whole number up to {_LARGEST}",
    float: "a finite number",
}
_OF_FLAX = ("parent", "name")  # fields that every Flax module has


def option_types(module: type, given: Collection[str] = ()) -> dict[str, type]:
    """Returns the options of a module and their types, in the order of its fields.

    Args:
        module: a dataclass, as every Flax module is.
        given: names of fields that are set by other means.
    """
    taken = {*_OF_FLAX, *given}
    fields = [f for f in dataclasses.fields(module) if f.init and f.name not in taken]
    # With `from __future__ import annotations` a type is its name.
    kinds = {
        f.name: next((t for t in _TYPES if f.type is t or f.type == t.__name__), None)
        for f in fields
    }
    return {name: kind for name, kind in kinds.items() if kind is not None}


def parse_options(text: str, types: dict[str, type], owner: str) -> dict[str, Any]:
    """Returns the values that a text gives to options, in the order of `types`.

    Args:
        text: `NAME=VALUE` and commas between them; empty for none.
        types: what `option_types` returns.
        owner: whose options they are, for messages.

    Raises:
        InputError: if the text is of another form, has a name that is no option or one twice, or
            a value of another type.
    """
    values: dict[str, Any] = {}
    for part in text.split(",") if text else ():
        name, equals, written = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            raise _refused(text, "write NAME=VALUE with commas between, such as depth=2,gain=0.5")
        if name not in types:
            raise _refused(text, _no_option(name, types, owner))
        if name in values:
            raise _refused(text, f"{name} is there twice")
        values[name] = _value(text, name, written, types[name])
    return {name: values[name] for name in types if name in values}


def format_options(values: dict[str, Any]) -> str:
    """Returns the text that `parse_options` reads these values in."""
    return ",".join(f"{name}={_written(value)}" for name, value in values.items())


def _no_option(name: str, types: dict[str, type], owner: str) -> str:
    if not types:
        return f"{owner} has no options of its own: leave it empty"
    known = ", ".join(f"{option} ({kind.__name__})" for option, kind in types.items())
    return f"{owner} has no option {name!r}; its options are {known}{suggestion(name, types)}"


def _value(text: str, name: str, written: str, kind: type) -> Any:
    if kind is str:
        return written
    try:
        value = _BOOLS[written.lower()] if kind is bool else kind(written)
    except (KeyError, ValueError):
        value = None
    if value is None or (kind is not bool and not _is_usable(value)):
        raise _refused(text, f"{name} is {written!r}, and {_NEEDED[kind]} is needed")
    return value


_BOOLS = {"true": True, "false": False}


def _is_usable(value: int | float) -> bool:
    return abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refused(text: str, reason: str) -> InputError:
    return InputError(f"config.options is {text!r}: {reason}")
