"""Packages that not everybody needs: one that is missing is a line that names its extra.

`import rsf_jax` and running a model need none of them. A module that does imports it as any other;
Python asks the finder below once no other has found it.
"""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType

from rsf_jax.errors import InputError

# By the name that is imported: the extra of pyproject.toml that has it.
EXTRAS = {
    "av": "video",
    "flatbuffers": "export",
    "grain": "train",
    "huggingface_hub": "hub",
    "jinja2": "plots",
    "matplotlib": "plots",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "PIL": "train",
    "starlette": "serve",
    "tensorboardX": "train",
    "tensorflow_datasets": "train",
    "uvicorn": "serve",
    "websockets": "serve",
}
# What these parts of the library need is in their own extra.
PARTS = {"rsf_jax.media": "video", "rsf_jax.serving": "serve"}


class MissingExtraError(InputError, ModuleNotFoundError):
    """An optional package is needed and not installed."""


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing, and says why: the last of the finders."""

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in EXTRAS and (importer := _importer()):
            extra = next((e for part, e in PARTS.items() if importer.startswith(part)), None)
            raise MissingExtraError(
                f"{importer} needs the package {fullname}, which is not installed: "
                f"pip install 'rsf_jax[{extra or EXTRAS[fullname]}]'"
            )
        return None


def _importer() -> str | None:
    """The module of this library that imports; none if another asks, who may do without."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("importlib"):
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "")
    return name if name.startswith("rsf_jax.") else None


def install() -> None:
    """Adds the finder to Python's; called by `import rsf_jax`."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
