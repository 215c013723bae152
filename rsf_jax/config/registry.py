"""Cells and networks of one's own, under a name that configurations, presets and commands know."""

import dataclasses
import re
import sys
import traceback
import types
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rsf_jax.cells import CELLS, RecurrentCell
from rsf_jax.config.networks import GIVEN, NETWORKS, RECIPES, NetworkKind, network_names
from rsf_jax.errors import InputError
from rsf_jax.models.base import VideoModel
from rsf_jax.naming import NAME, place
from rsf_jax.ops.norm import RUNNING_STATISTICS, STATISTICS
from rsf_jax.paths import expand
from rsf_jax.policies.halting import METRICS
from rsf_jax.policies.registered import POLICIES

_Cell = TypeVar("_Cell")

# What means something else in the names of presets, `quickstart_s3f1_CELL_stateless`.
_AMBIGUOUS = re.compile(r"s\d+f\d+(_.*)?|(.*_)?stateless")
_LIBRARY = frozenset(NETWORKS)
# What `VideoModel` leaves to a network.
_METHODS = ("initial_carry", "prepare", "drive", "step", "hidden", "readout")


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
    _check_name(name, "cell", NETWORKS)

    def register(cell: _Cell) -> _Cell:
        CELLS[name] = _checked(name, cell)
        return cell

    return register


def register_network(name: str, kind: NetworkKind) -> None:
    """Adds a network that is no cell to those that `config.model` can name.

        class MyNetwork(rsf.VideoModel): ...

        rsf.register_network("my_network", rsf.NetworkKind(MyNetwork))

        config = rsf.get_config("own_s3f1_my_network").replace(options="depth=2")

    Fields of the class that the library does not set are options. A network whose class is defined
    anew, as when a notebook's cell is run again, takes the place of the one before.

    Args:
        name: as for `register_cell`.
        kind: how it is made, and what goes with it.

    Raises:
        InputError: if the name is none of that kind or taken, or the kind is none of a network
            that can be made and trained.
    """
    _check_name(name, "network", CELLS)
    _check_kind(name, kind)
    if name in _LIBRARY:
        raise InputError(
            f"network name {name!r} is taken by a network of this library: use another"
        )
    taken = NETWORKS.get(name)
    if taken is not None and place(taken.module) != place(kind.module):
        raise InputError(f"network name {name!r} is taken by {place(taken.module)}: use another")
    NETWORKS[name] = kind


def check_registered(model: Any, where: str) -> None:
    """Checks that what was saved is of a network that is known here.

    Args:
        model: `config.model` of what was saved.
        where: what was saved, for the message.

    Raises:
        InputError: if there is no cell or network of that name.
    """
    if isinstance(model, str) and model not in network_names():
        raise InputError(
            f"{where} has the cell or network {model!r}, which is not registered: first run the "
            f'code with @rsf.register_cell("{model}") or rsf.register_network("{model}", ...), or '
            "the file that has it"
        )


def load_cells(path: str | Path) -> None:
    """Runs a Python file that registers cells, networks, policies or metrics.

    Files beside it can be imported in it.

    Raises:
        InputError: if there is no such file, it fails, or it registers nothing.
    """
    path = expand(path).resolve()
    if not path.is_file() or path.suffix != ".py":
        raise InputError(
            f"{path} is no Python file: give one that registers cells, networks or policies"
        )
    before = _registered()
    try:
        _execute(path)
    except (Exception, SystemExit) as error:
        raise InputError(f"{path.name}{_line(error, path)}: {_summary(error)}") from error
    if before == _registered():
        raise InputError(
            f'{path.name} registers nothing: put @rsf.register_cell("NAME") over the class of a '
            "cell, @rsf.register_policy over that of a policy, @rsf.register_metric over a metric, "
            "or call rsf.register_network"
        )


def _registered() -> list[dict[str, Any]]:
    return [dict(CELLS), dict(NETWORKS), dict(POLICIES), dict(METRICS)]


def _check_name(name: str, what: str, others: Container[str]) -> None:
    """Checks the name of a cell or a network; `others` are those of the other kind."""
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no name of a {what}: write {_CALLS[what]}")
    if not NAME.fullmatch(name) or _AMBIGUOUS.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a {what}: use lower-case letters, digits and single "
            "underscores, a letter in front, and neither a schedule such as s8f2 in front nor "
            "stateless at the end"
        )
    if name in others:
        whose = "a network of this library" if name in _LIBRARY else f"a {_OTHER[what]}"
        raise InputError(f"{what} name {name!r} is taken by {whose}: use another")


_OTHER = {"cell": "network", "network": "cell"}
_CALLS = {
    "cell": '@rsf.register_cell("NAME") over the class',
    "network": 'rsf.register_network("NAME", kind)',
}


def _check_kind(name: str, kind: object) -> None:
    """Checks that a network can be made of a kind, and trained."""
    if not isinstance(kind, NetworkKind):
        raise InputError(f"network {name!r} is {kind!r}: give rsf.NetworkKind(its class)")
    for field, wanted in (("fixed", Mapping), ("statistics", tuple), ("input_channels", tuple)):
        value = getattr(kind, field)
        if not isinstance(value, wanted):
            needed = wanted.__name__.lower()
            raise InputError(f"network {name!r} has {field} {value!r}: a {needed} is needed")
    _check_module(name, kind.module)
    _check_fields(name, kind)
    known = STATISTICS if kind.recurrent else (*STATISTICS, *RUNNING_STATISTICS)
    if not kind.statistics or not set(kind.statistics) <= set(known):
        raise InputError(
            f"network {name!r} has statistics {kind.statistics!r}: give one or more of "
            f"{', '.join(dict.fromkeys(known))}"
        )
    if kind.recipe not in RECIPES:
        raise InputError(
            f"network {name!r} has recipe {kind.recipe!r}: choose one of {', '.join(RECIPES)}"
        )


def _check_module(name: str, module: Any) -> None:
    """Checks that a class has what every network needs."""
    if not (isinstance(module, type) and issubclass(module, VideoModel)):
        shown = " ".join(repr(module).split())[:80]
        raise InputError(
            f"network {name!r} has module {shown}: give a subclass of rsf.VideoModel, the class"
        )
    missing = [m for m in _METHODS if getattr(module, m) is getattr(VideoModel, m)]
    if not module.recurrent and not hasattr(module, "video"):
        missing.append("video")  # it is trained on whole videos
    if missing:
        raise InputError(f"network {name!r}: {place(module)} has no {', '.join(missing)}")


def _check_fields(name: str, kind: NetworkKind) -> None:
    """Checks that settings can fill the fields of a network's class."""
    module = kind.module
    fields = {f.name: f for f in dataclasses.fields(module) if f.init}
    for field in ("classes", "input_channels"):
        if field not in fields:
            raise InputError(f"network {name!r}: {place(module)} has no field {field}: int = ...")
    unknown = [field for field in kind.fixed if field not in fields]
    if unknown:
        raise InputError(f"network {name!r}: {place(module)} has no field {unknown[0]!r} to fix")
    unset = [
        field.name
        for field in fields.values()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name not in (*GIVEN, *kind.fixed)
    ]
    if unset:
        raise InputError(
            f"network {name!r}: field {unset[0]!r} of {place(module)} has no default: give it "
            f"one, or a value in `fixed`; configurations set {', '.join(GIVEN)} alone"
        )


def _checked(name: str, cell: object) -> type[RecurrentCell]:
    if not (isinstance(cell, type) and issubclass(cell, RecurrentCell)):
        raise InputError(f"cell {name!r} is {cell!r}: make it a subclass of rsf.RecurrentCell")
    if cell.__call__ is RecurrentCell.__call__:
        raise InputError(f"cell {name!r}: {place(cell)} has no __call__, its recurrent step")
    taken = CELLS.get(name)
    if taken is not None and place(taken) != place(cell):
        raise InputError(f"cell name {name!r} is taken by {place(taken)}: use another")
    return cell


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
