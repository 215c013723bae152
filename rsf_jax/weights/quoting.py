"""What messages quote from files: on one line, and not thousands of names."""

from collections.abc import Iterable
from typing import Any

# Names, characters of a name, and of a reader's words.
_LISTED, NAME, LONGEST = 10, 60, 200


class Placeholder:
    """Stands for something in a file that is not taken; messages call it by its place there."""

    place = ""


def show_names(names: Iterable[Any]) -> str:
    """Returns names out of a file as messages show them: on one line, and not thousands of them."""
    texts = [
        name if isinstance(name, str) and name.isprintable() else _shown(name) for name in names
    ]
    shown = [text if len(text) <= NAME else f"{text[:NAME]}..." for text in texts[:_LISTED]]
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(shown) + more


def _shown(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    place = kind.place if issubclass(kind, Placeholder) else ""
    return place if place.isprintable() and place else repr(place or value)
