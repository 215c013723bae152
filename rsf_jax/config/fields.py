"""How a setting is declared, and how its value is checked by itself."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError

# Counts are int32 on a device.
MOST = 2**31 - 1

# Whether a run may be resumed with another value: never, always, or where the length of the run
# decides nothing else.
FIXED, FREE, LENGTH = "fixed", "free", "length"


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What a number may be; None does not bound it.

    Attributes:
        least: smallest value.
        above: every value is larger.
        most: largest value.
        below: every value is smaller.
        odd: whether it must be odd.
        finite: whether infinity is refused. Not-a-number always is where there is a bound.
        or_zero: whether 0 is allowed beside the values within the bounds.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    odd: bool = False
    finite: bool = False
    or_zero: bool = False

    def allow(self, value: float) -> bool:
        """Whether a value lies within the bounds."""
        if self.or_zero and value == 0:
            return True
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
            and (not self.odd or value % 2 == 1)
            and (not self.finite or math.isfinite(value))
        )

    def __str__(self) -> str:
        """Returns the bounds in words, behind "it must be"."""
        words = {"at least": self.least, "above": self.above, "at most": self.most}
        words["below"] = self.below
        parts = [f"{word} {bound}" for word, bound in words.items() if bound is not None]
        text = " and ".join([*(["odd"] if self.odd else []), *parts])
        return f"{text}{', finite' if self.finite else ''}{', or 0' if self.or_zero else ''}"


def setting(
    default: Any,
    comment: str,
    *,
    choices: Sequence[str] = (),
    weights: bool = False,
    of_dataset: bool = False,
    resume: str = FIXED,
    **bounds: Any,
) -> Any:
    """Declares a field of a configuration, and all that is known of it.

    Args:
        default: its value unless one is given.
        comment: what `--help` shows.
        choices: what a text may be; empty if it is free. Taken from what the choice is made for.
        weights: whether it decides which weights a model has.
        of_dataset: whether it may be 0 until the dataset is opened, which then decides.
        resume: `FIXED`, `FREE` or `LENGTH`: whether a run may be resumed with another value.
        **bounds: of a number, as the attributes of `Bounds`.
    """
    metadata = {
        "comment": comment,
        "choices": tuple(choices),
        "weights": weights,
        "of_dataset": of_dataset,
        "resume": resume,
        "bounds": Bounds(**bounds),
    }
    return dataclasses.field(default=default, metadata=metadata)


def names_where(declared: type, **known: Any) -> tuple[str, ...]:
    """Returns the names of the fields of which something is known, such as `weights=True`."""
    return tuple(
        field.name
        for field in dataclasses.fields(declared)
        if all(field.metadata[key] == value for key, value in known.items())
    )


def checked_value(field: dataclasses.Field, value: Any) -> Any:
    """Returns the value of a field, a number of NumPy as one of Python.

    Raises:
        InputError: if it is of another type, none of the choices, or out of bounds.
    """
    value = value.item() if isinstance(value, np.generic) else value
    wanted: Any = field.type
    allowed = (int, float) if wanted is float else wanted
    # To Python a bool is an int; to a user it is not.
    if not isinstance(value, allowed) or (isinstance(value, bool) and wanted is not bool):
        raise InputError(f"config.{field.name} is {value!r}: {wanted.__name__} is needed")
    if wanted is int and value > MOST:
        raise InputError(f"config.{field.name} is {value}: it must be at most {MOST}")
    if field.metadata["choices"]:
        check_setting_choice(field.name, str(value), field.metadata["choices"])
    bounds = field.metadata["bounds"]
    if not bounds.allow(value):
        raise InputError(f"config.{field.name} is {value!r}: it must be {bounds}")
    return value


def check_setting_choice(name: str, value: str, choices: Sequence[str], hint: str = "") -> None:
    """Raises InputError unless a value is one of some words; `hint` follows them."""
    if value not in choices:
        allowed = ", ".join(choices)
        raise InputError(
            f"config.{name} is {value!r}: choose one of {allowed}{hint}{suggestion(value, choices)}"
        )
