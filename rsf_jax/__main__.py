"""The commands of the library, as installed: `rsf COMMAND` and `python -m rsf_jax COMMAND`."""

import ast
import difflib
import sys
from pathlib import Path

from rsf_jax import commands


def main() -> None:
    """Runs the command that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in commands.names():
        sys.argv[:2] = [f"{sys.argv[0]} {name}"]
        commands.run(name)
    elif name in ("-h", "-help", "--help"):
        print(_overview())
    else:
        print(f"error: {_unknown(name)}", file=sys.stderr)
        sys.exit(1)


def _overview() -> str:
    lines = [f"  {name:<16}{_summary(name)}" for name in commands.names()]
    program = commands.program_name()
    usage = f"{program} COMMAND --FLAG=VALUE ...; {program} COMMAND --help"
    return "\n".join(["Adaptive recurrent vision on video.", "", usage, "", *lines])


def _summary(name: str) -> str:
    """The first sentence of a command, which is not imported for it."""
    text = Path(commands.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    first = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
    return first.partition(": python ")[0].rstrip(".")


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, commands.names(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{name!r} is no command: choose one of {', '.join(commands.names())}{hint}"


if __name__ == "__main__":
    main()
