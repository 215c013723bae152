"""The commands with their flags, and what is wrong with a line that calls one.

`python -m documentation.commands` (in `launch/`) reads lines of JSON, each a list of a program and
its arguments, and prints one list of what is wrong with them. Flags belong to the process, so a
program that has flags of its own calls it instead of `mistake`.
"""

import copy
import dataclasses
import functools
import importlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from absl import flags

import rsf_jax as rsf
from rsf_jax import commands
from rsf_jax.commands import choices, program, shared
from rsf_jax.trained import hub

LAUNCH = Path(__file__).parents[1]
# What a reader replaces, such as NAME and FOLDER/model.pt.
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]+")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: of its script.
        doc: what it does.
        own: flags that it alone defines, in the order of their names.
        installed: whether it runs without the repository too.
    """

    name: str
    doc: str
    own: tuple[flags.Flag, ...]
    installed: bool


@functools.cache
def all_commands() -> Mapping[str, Command]:
    """Returns every command by its name: those of the library first."""
    scripts = sorted(path.stem for path in LAUNCH.glob("*.py"))
    installed = commands.names()
    names = [*installed, *(name for name in scripts if name not in installed)]
    return {name: _read(name, installed=name in installed) for name in names}


def of_all() -> tuple[list[flags.Flag], list[flags.Flag]]:
    """Returns the flags that all commands have: which model and folder; settings."""
    found = flags.FLAGS.get_flags_for_module(shared.__name__)
    settings = [flag for flag in found if flag.name.startswith(shared.PREFIX)]
    return [flag for flag in found if flag not in settings], settings


def _read(name: str, *, installed: bool) -> Command:
    """Imports a command for its flags, and forgets them: another one's have the same names."""
    module = _imported(name, installed=installed)
    own = tuple(flags.FLAGS.get_flags_for_module(module.__name__))
    for flag in own:
        delattr(flags.FLAGS, flag.name)
    del sys.modules[module.__name__]
    return Command(name, module.__doc__ or "", own, installed)


def _imported(name: str, *, installed: bool) -> ModuleType:
    if not installed and str(LAUNCH) not in sys.path:
        sys.path.insert(0, str(LAUNCH))
    return importlib.import_module(f"rsf_jax.commands.{name}" if installed else name)


def mistake(words: Sequence[str]) -> str | None:
    """Returns what is wrong with a call, such as ["python", "launch/train.py", "--config=x"].

    None where nothing is, and of programs that are not of this project. Flags have to be there and
    take their values; presets, settings, policies and bundled weights have to exist.
    """
    found = _called(words)
    if found is None:
        return None
    name, arguments = found
    command = all_commands().get(name)
    if command is None:
        return f"there is no command {name}"
    if "--help" in arguments:
        return None
    try:
        _check(command, arguments)
    except (flags.Error, rsf.InputError) as error:
        return f"{name}: {error}"
    return None


def _called(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """The name of a command of this project and its arguments."""
    text = "\0".join(words)
    match = re.search(
        r"(?:^|\0)(?:python3?\0launch/(\w+)\.py|python3?\0-m\0rsf_jax\0(\w+)|rsf\0(\w+))(?:\0|$)",
        text,
    )
    if match is None:
        return None
    name = next(group for group in match.groups() if group)
    return name, [word for word in text[match.end() :].split("\0") if word]


def _check(command: Command, arguments: Sequence[str]) -> None:
    values = flags.FlagValues()
    which, settings = of_all()
    for flag in (*command.own, *which, *settings):
        values[flag.name] = copy.deepcopy(flag)
    rest = values([command.name, *arguments])[1:]
    if rest:
        raise flags.Error(f"{rest[0]!r} is no flag")
    _check_policies(values)
    _check_settings(values)
    _check_pretrained(values["pretrained"].value)


def _check_pretrained(named: str | None) -> None:
    """Unless it is a card or a folder."""
    if named and named.startswith(hub.PREFIX):
        hub.Repository.of(named)
    elif named and "/" not in named and not PLACEHOLDER.fullmatch(named):
        _among("pretrained", named, rsf.pretrained_names())


def _check_policies(values: flags.FlagValues) -> None:
    """Unless a file registers others."""
    if values["cells"].value:
        return
    texts = _listed(values, "policies") + _listed(values, "policy")
    for text in texts:
        if text != choices.CALIBRATED and not PLACEHOLDER.fullmatch(text):
            rsf.parse_policy(text)


def _check_settings(values: flags.FlagValues) -> None:
    """Unless a file registers another network."""
    if values["cells"].value:
        return
    names = _listed(values, "config") + _listed(values, "presets")
    given = {
        name.removeprefix(shared.PREFIX): values[name].value
        for name in values
        if name.startswith(shared.PREFIX) and values[name].value is not None
    }
    for name in names:
        if not PLACEHOLDER.fullmatch(name):
            rsf.get_config(name).replace(**given)


def _listed(values: flags.FlagValues, flag: str) -> list[str]:
    """The texts of a flag, of which there may be none."""
    value = values[flag].value if flag in values else None
    return value if isinstance(value, list) else [value] if value else []


def _among(flag: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise flags.Error(f"--{flag}={value}: choose one of {', '.join(known)}")


def main() -> None:
    """Prints what is wrong with the calls of the standard input."""
    found = [mistake(json.loads(line)) for line in sys.stdin if line.strip()]
    print(json.dumps([text and program.with_flags(text) for text in found]))


if __name__ == "__main__":
    main()
