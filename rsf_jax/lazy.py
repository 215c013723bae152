"""Names that a package hands out when they are asked for, and imports then.

Running a model needs neither Grain nor Orbax nor Matplotlib, which take seconds to import.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a package's `__getattr__`.

    Args:
        package: its name, `__name__`.
        names: what it hands out, and the module of each.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(names[name]), name)

    return find
