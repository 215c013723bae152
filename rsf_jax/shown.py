"""How objects are shown in a line: arrays as dtype and shape, everything else as briefly.

A notebook shows what its last line is worth, and a message what it is about: neither has room for
the numbers of a model.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

_LONG = 60  # characters of a value
_MANY = 6  # entries of a list


def in_a_line(self: Any) -> str:
    """Returns what a dataclass holds in a line; to be its `__repr__`.

    @dataclasses.dataclass
    class Scores:
        __repr__ = in_a_line
    """
    fields = (field for field in dataclasses.fields(self) if field.repr)
    held = ", ".join(f"{field.name}={short(getattr(self, field.name))}" for field in fields)
    return f"{type(self).__name__}({held})"


def short(value: Any) -> str:
    """Returns a value in a few words."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONG else f"{value[: _LONG - 3]}...")
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, tuple | list):
        return _sequence(value)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return value.__qualname__.replace("<lambda>", "lambda")
    if type(value).__repr__ is in_a_line:
        return in_a_line(value)
    shown = repr(value)
    named = " object at 0x" in shown
    return shown if len(shown) <= _LONG and not named else f"<{type(value).__name__}>"


def _array(value: Any) -> str:
    if isinstance(value, np.generic | np.ndarray) and value.shape == ():
        return short(value.item())
    if isinstance(value, jax.Array) and value.shape == () and _is_readable(value):
        return short(np.asarray(value).item())
    return f"{value.dtype}[{', '.join(map(str, value.shape))}]"


def _is_readable(value: jax.Array) -> bool:
    """Whether an array has its numbers here: not traced, used up, elsewhere, or a random key."""
    if isinstance(value, jax.core.Tracer) or value.is_deleted():
        return False
    return value.is_fully_addressable and not jax.dtypes.issubdtype(
        value.dtype, jax.dtypes.extended
    )


def _mapping(value: Mapping) -> str:
    if _has_arrays(value):
        arrays = [x for x in jax.tree.leaves(dict(value)) if hasattr(x, "shape")]
        numbers = sum(int(np.prod(x.shape)) for x in arrays)
        return f"{{{len(arrays)} arrays, {numbers:,} numbers}}"
    if len(value) > _MANY:
        return f"{{{len(value)} entries}}"
    return f"{{{', '.join(f'{short(key)}: {short(x)}' for key, x in value.items())}}}"


def _has_arrays(value: Mapping) -> bool:
    return any(hasattr(x, "shape") for x in jax.tree.leaves(dict(value)))


def _sequence(value: tuple | list) -> str:
    if len(value) > _MANY and not hasattr(value, "_fields"):
        return f"[{len(value)} entries]"
    parts = [short(x) for x in value]
    if hasattr(value, "_fields"):
        named = (f"{name}={part}" for name, part in zip(value._fields, parts))
        return f"{type(value).__name__}({', '.join(named)})"
    comma = "," if len(parts) == 1 else ""
    return f"[{', '.join(parts)}]" if isinstance(value, list) else f"({', '.join(parts)}{comma})"
