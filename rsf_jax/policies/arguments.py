"""What a policy is made with, from text and back: the fields of its dataclass."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError

_NONE: type = type(None)
_BOOLS, _NOTHING = {"true": True, "false": False}, {"none": None}
_KINDS = (bool, int, float, _NONE, str)  # in the order in which text is tried as one
_REQUIRED = dataclasses.MISSING
# What a policy around another one calls it; a text has it last, a spec as a spec.
INNER = "inner"


@dataclasses.dataclass(frozen=True)
class Argument:
    """One value that a policy is made with.

    Attributes:
        name: of the field or parameter.
        kinds: what it may be, of bool, int, float, None's type and str.
        default: its value unless given; `dataclasses.MISSING` if it has to be.
    """

    name: str
    kinds: tuple[type, ...]
    default: Any

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is _REQUIRED

    def read(self, text: str) -> Any:
        """Returns the value that a text stands for.

        Raises:
            InputError: if it stands for none of the right kind.
        """
        for kind in self.kinds:
            try:
                return _READERS[kind](text)
            except (ValueError, KeyError):
                continue
        wanted = " or ".join("None" if kind is _NONE else kind.__name__ for kind in self.kinds)
        raise InputError(f"{self.name} is {text!r}: {wanted} is needed")


def number(kind: Callable[[str], Any], text: str) -> Any:
    """Returns a number as Python reads it, without spaces, underscores and digits of other scripts.

    Args:
        kind: int or float.
        text: as it is in that of a policy.

    Raises:
        ValueError: if it is none.
    """
    if not re.fullmatch(r"[a-z0-9.+-]+", text, re.IGNORECASE | re.ASCII):
        raise ValueError(f"{text!r} is no number")
    return kind(text)


_READERS: dict[type, Callable[[str], Any]] = {
    bool: lambda text: _BOOLS[text.lower()],
    int: lambda text: number(int, text),
    float: lambda text: number(float, text),
    _NONE: lambda text: _NOTHING[text.lower()],
    str: str,
}


def arguments_of(maker: Callable) -> list[Argument]:
    """Returns what a dataclass, or a function that makes a policy, takes: in order.

    A field without a type or default of bool, int, float or str is a float.
    """
    hints = _hints(maker)
    if dataclasses.is_dataclass(maker):
        found = [(f.name, f.type, _default(f)) for f in dataclasses.fields(maker) if f.init]
    else:
        found = [
            (p.name, p.annotation, _REQUIRED if p.default is p.empty else p.default)
            for p in inspect.signature(maker).parameters.values()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
    return [Argument(n, _kinds(hints.get(n, t), d), d) for n, t, d in found]


def takes_inner(maker: Callable) -> bool:
    """Whether a dataclass or a function takes another policy, by the name `inner`."""
    return any(argument.name == INNER for argument in arguments_of(maker))


def make(maker: Callable, parts: Sequence[str], inner: Any = None) -> Any:
    """Returns what a dataclass or a function makes of texts.

    Args:
        maker: the class or function.
        parts: values in the order of the arguments, then `name=value`.
        inner: the policy inside; None where none is taken.

    Raises:
        InputError: if a value is missing, given twice, or wrong.
    """
    arguments = {a.name: a for a in arguments_of(maker) if a.name != INNER}
    order, given = list(arguments), {}
    for i, part in enumerate(parts):
        name, named, value = part.partition("=")
        if not named:
            if i >= len(order) or any("=" in before for before in parts[:i]):
                raise InputError(f"{part!r} has no place: the arguments are {_usage(arguments)}")
            name, value = order[i], part
        if name not in arguments:
            raise InputError(
                f"argument {name!r} is none of {', '.join(order)}{suggestion(name, order)}"
            )
        if name in given:
            raise InputError(f"{name} is given twice: leave one out")
        given[name] = arguments[name].read(value)
    missing = [a.name for a in arguments.values() if a.required and a.name not in given]
    if missing:
        raise InputError(f"{missing[0]} is missing: the arguments are {_usage(arguments)}")
    return maker(**given) if inner is None else maker(**given, inner=inner)


def write(policy: Any) -> list[str]:
    """Returns a policy's arguments as `make` reads them.

    Those without a default in their order, then by name those that are not at their default: the
    text of a policy stays the same when its class gets another field. The policy inside is left
    out.
    """
    taken = [a for a in arguments_of(type(policy)) if a.name != INNER]
    values = [(a, plain_value(getattr(policy, a.name))) for a in taken]
    positional = [in_text(value) for a, value in values if a.required]
    named = [
        f"{a.name}={in_text(v)}" for a, v in values if not a.required and _is_other(v, a.default)
    ]
    return positional + named


def values_of(policy: Any) -> dict[str, Any]:
    """Returns a policy's arguments by name, as JSON can hold them.

    What it cannot hold is left out where it is the default, and told as text where it is not. The
    policy inside is left out.
    """
    found = {}
    for argument in arguments_of(type(policy)):
        if argument.name == INNER:
            continue
        value = getattr(policy, argument.name)
        if _is_plain(plain_value(value)):
            found[argument.name] = plain_value(value)
        elif value != argument.default:
            found[argument.name] = str(value)
    return found


def in_text(value: Any) -> str:
    """Returns a value as texts of policies have it; of one that is traced nothing is known."""
    return "..." if isinstance(value, jax.core.Tracer) else f"{value}"


def plain_value(value: Any) -> Any:
    """Returns numbers and lists for arrays and NumPy's scalars; all else, and tracers, as it is."""
    if isinstance(value, jax.core.Tracer):
        return value
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return np.asarray(value).tolist()
    return value


def _is_other(value: Any, default: Any) -> bool:
    """Whether a value is not the default; what is traced may be another."""
    return isinstance(value, jax.core.Tracer) or value != plain_value(default)


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return bool(np.isfinite(value))
    return value is None or isinstance(value, int | str | list)


def _default(field: dataclasses.Field) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _hints(maker: Callable) -> dict[str, Any]:
    try:
        return typing.get_type_hints(maker)
    except (NameError, TypeError, AttributeError):
        return {}  # of names that are not there: defaults tell the types


def _kinds(annotation: Any, default: Any) -> tuple[type, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    allowed = typing.get_args(annotation) if union else (annotation,)
    kinds = tuple(kind for kind in _KINDS if kind in allowed)
    if set(kinds) - {_NONE}:
        return kinds
    known = default is not None and type(default) in _KINDS
    return (type(default) if known else float, *kinds)


def _usage(arguments: dict[str, Argument]) -> str:
    return ":".join(name if a.required else f"[{name}]" for name, a in arguments.items())
