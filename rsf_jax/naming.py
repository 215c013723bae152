"""Names that users give to what they register."""

import re
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def place(thing: Any) -> str:
    """Returns where a class or a function was defined: what is defined anew has the same."""
    name = getattr(thing, "__qualname__", None)
    return repr(thing) if name is None else f"{thing.__module__}.{name}"
