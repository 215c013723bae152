"""Commands: `python launch/NAME.py`, or `rsf NAME` where the library is installed.

`python -m rsf_jax NAME` is the same.

Each is a file: flags, and a `main` that makes one call of the library of them. `shared` has the
flags of all, `choices` those of several, `opening` finds the model that they name, `program` runs
one. What takes its time to import is imported in a command's functions: `--help` needs flags alone.
"""

import gc
import importlib
import pkgutil
import re
import sys
from pathlib import Path

from rsf_jax.extras import MissingExtraError

# Of this package, what is no command.
_HELPERS = {"choices", "devices", "opening", "parsing", "program", "shared", "usage"}
_SCRIPT = re.compile(r"python launch/(\w+)\.py")


def names() -> list[str]:
    """Returns the names of all commands."""
    found = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])}
    return sorted(found - _HELPERS)


def run(name: str) -> None:
    """Runs a command with the arguments of this process."""
    # Imports leave little garbage: looking for it takes a tenth of their time, now and later.
    gc.disable()
    try:
        # Flags are those of the process: only those of the command that runs may be defined.
        module = importlib.import_module(f"rsf_jax.commands.{name}")
        program = importlib.import_module("rsf_jax.commands.program")
    except MissingExtraError as error:
        sys.exit(f"error: {error}")
    finally:
        gc.freeze()
        gc.enable()
    program.run(module.main, module)


def program_name() -> str:
    """Returns how this user calls the commands, but for scripts."""
    called = Path(sys.argv[0]).name.partition(" ")[0]
    return "rsf" if Path(called).stem == "rsf" else "python -m rsf_jax"


def as_called(text: str) -> str:
    """Returns a text that names commands as scripts with the names that this user calls them by."""
    if Path(sys.argv[0]).parent.name == "launch":
        return text
    return _SCRIPT.sub(rf"{program_name()} \1", text)
