"""The version of the library."""

import importlib.metadata
import tomllib
from pathlib import Path

_PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def _version() -> str:
    """What is installed; of a source tree that is not, what it would be."""
    try:
        return importlib.metadata.version("rsf_jax")
    except importlib.metadata.PackageNotFoundError:
        return tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]


__version__ = _version()
