"""Recurrent cells of one's own, under a name that configurations, presets and launchers know."""

import re
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rsf_jax.cells import CELLS, RecurrentCell
from rsf_jax.config import FEEDFORWARD, RECURRENT_NETWORKS
from rsf_jax.errors import InputError
from rsf_jax.paths import expand

_Cell = TypeVar("_Cell")

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What means something else in the names of presets, `quickstart_s3f1_CELL_stateless`.
_AMBIGUOUS = re.compile(r"s\d+f\d+(_.*)?|(.*_)?stateless")


def register_cell(name: str) -> Callable[[_Cell], _Cell]:
    """Adds a recurrent cell to those that `config.model` can name.

        @rsf.register_cell("my_cell")
        class MyCell(rsf.RecurrentCell): ...

        config = rsf.get_config("quickstart_my_cell")

    `RecurrentCell` has a complete example. A class that is defined anew, as when a notebook's cell
    is run again, takes the place of the one before.

    Args:
        name: lower-case letters, digits and single underscores, a letter in front; neither a
            schedule in front nor `stateless` at the end, which preset names give a meaning.

    Returns:
        A class decorator that returns the class as it is.

    Raises:
        InputError: if the name is none of that kind or taken, or what is decorated is no
            `RecurrentCell` with a `__call__` of its own.
    """
    _check_name(name)

    def register(cell: _Cell) -> _Cell:
        CELLS[name] = _checked(name, cell)
        return cell

    return register


def load_cells(path: str | Path) -> None:
    """Runs a Python file that registers cells. Files beside it can be imported in it.

    Raises:
        InputError: if there is no such file, it fails, or it registers nothing.
    """
    path = expand(path).resolve()
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"{path} is no Python file: give one that registers cells")
    before = dict(CELLS)
    try:
        _execute(path)
    except (Exception, SystemExit) as error:
        raise InputError(f"{path.name}{_line(error, path)}: {_summary(error)}") from error
    if before == CELLS:
        raise InputError(
            f'{path.name} registers no cell: put @rsf.register_cell("NAME") over its class'
        )


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise InputError(
            f'{name!r} is no name of a cell: write @rsf.register_cell("NAME") over the class'
        )
    if not _NAME.fullmatch(name) or _AMBIGUOUS.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a cell: use lower-case letters, digits and single underscores, "
            "a letter in front, and neither a schedule such as s8f2 in front nor stateless at the "
            "end"
        )
    if name in (*FEEDFORWARD, *RECURRENT_NETWORKS):
        raise InputError(f"cell name {name!r} is taken by a network of this library: use another")


def _checked(name: str, cell: object) -> type[RecurrentCell]:
    if not (isinstance(cell, type) and issubclass(cell, RecurrentCell)):
        raise InputError(f"cell {name!r} is {cell!r}: make it a subclass of rsf.RecurrentCell")
    if cell.__call__ is RecurrentCell.__call__:
        raise InputError(f"cell {name!r}: {_place(cell)} has no __call__, its recurrent step")
    taken = CELLS.get(name)
    if taken is not None and _place(taken) != _place(cell):
        raise InputError(f"cell name {name!r} is taken by {_place(taken)}: use another")
    return cell


def _place(cell: type) -> str:
    return f"{cell.__module__}.{cell.__qualname__}"


def _execute(path: Path) -> None:
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    # Not the bare name, which may be that of another module.
    module = types.ModuleType(f"rsf_cells_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it failed, if it did there."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _summary(error: BaseException) -> str:
    if isinstance(error, InputError):
        return str(error)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {text}".splitlines()[:1])
