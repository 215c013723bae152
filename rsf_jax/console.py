"""Where tables are printed."""

import os

from rich.console import Console

_WIDE = 200  # columns


def table_console() -> Console:
    """Returns what prints tables: as wide as a terminal is, or as they need where there is none.

    Names that users give are printed as they are: what is in brackets or colons is no markup. Of a
    file or a pipe Rich takes 80 columns, and leaves out figures that it has no room for.
    """
    found = Console(markup=False, emoji=False)
    if not (found.is_terminal or found.is_jupyter or "COLUMNS" in os.environ):
        found.width = _WIDE
    return found
