"""Names that users give to what they register."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def guess(name: Any, known: Iterable[str]) -> str:
    """Returns what a wrong name may have meant, as the end of a message; nothing if none is near.

    Args:
        name: what was given.
        known: the names that there are.
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def place(thing: Any) -> str:
    """Returns where a class or a function was defined: what is defined anew has the same."""
    name = getattr(thing, "__qualname__", None)
    return repr(thing) if name is None else f"{thing.__module__}.{name}"
