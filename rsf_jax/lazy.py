"""Names that a package hands out when they are asked for, and imports then.

Running a model needs neither Grain nor Orbax nor Matplotlib, and `rsf --help` not even JAX: each
takes its part of a second, or more, to import.
"""

import importlib
import importlib.util
from collections.abc import Callable, Collection, Mapping
from typing import Any


def attach(package: str, names: Mapping[str, Collection[str]]) -> Callable[[str], Any]:
    """Returns a package's `__getattr__`, which also finds its modules.

    Args:
        package: its name, `__name__`.
        names: what the package hands out of each module, `.MODULE` if it is one of its own.
    """
    module_of = {name: module for module, of in names.items() for name in of}

    def find(name: str) -> Any:
        if name in module_of:
            return getattr(importlib.import_module(module_of[name], package), name)
        # Python itself asks for names such as `__path__`, of which no module is looked for.
        if not name.startswith("_") and importlib.util.find_spec(f"{package}.{name}"):
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
