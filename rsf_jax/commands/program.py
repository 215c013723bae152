"""Runs a command: its flags are parsed, and what goes wrong is one line."""

import io
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from absl import app, flags
from absl import logging as absl_logging

import rsf_jax as rsf
from rsf_jax.commands import as_called, parsing, usage
from rsf_jax.commands.devices import keep_compiled, show_no_bars_in_logs, use_wide_vectors
from rsf_jax.commands.shared import CELLS
from rsf_jax.config.registry import load_cells
from rsf_jax.training.stop import received_signal

UNFINISHED = 75  # exit code of what is to be called again; EX_TEMPFAIL of sysexits.h
INCOMPLETE = 2  # of what has ended, and has left something out for a reason it has told


def end(finished: bool) -> None:
    """Ends a command whose work may be unfinished, so that a shell can tell.

    By the signal that has ended the run, if one has: a loop in a shell then ends, too. Else with
    exit code 75, which stands for "try again".
    """
    if finished:
        return
    number = received_signal()
    if number is None:
        sys.exit(UNFINISHED)
    _end_by(number)


def _end_by(number: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def run(main: Callable[[], None], module: ModuleType | None = None) -> None:
    """Runs a command.

    A user's mistake ends it with one line and exit code 1, Ctrl-C by that signal.

    Args:
        main: what it does.
        module: that defines its own flags, and says what it does; the script that runs, if none.
    """

    def guarded(argv: list[str]) -> None:
        # Orbax and absl tell of every file they touch; TensorFlow is never imported.
        absl_logging.set_verbosity(absl_logging.ERROR)
        logging.getLogger("jax").setLevel(logging.ERROR)
        use_wide_vectors()
        keep_compiled()
        show_no_bars_in_logs()
        _print_whatever_names_hold()
        try:
            if len(argv) > 1:
                raise rsf.InputError(_unknown_argument(argv[1]))
            if CELLS.value:
                load_cells(CELLS.value)
            main()
        except rsf.InputError as error:
            print(f"error: {with_flags(str(error))}", file=sys.stderr)
            sys.exit(1)
        except (AssertionError, RuntimeError) as error:
            if not _is_of_devices(error):
                raise
            wanted = os.environ.get("JAX_PLATFORMS", "")
            print(
                f"error: JAX finds no device of JAX_PLATFORMS={wanted}: leave that out, or install "
                "JAX's build for it",
                file=sys.stderr,
            )
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            _end_by(signal.SIGINT)

    app.run(guarded, flags_parser=lambda argv: _parsed(argv, module or sys.modules["__main__"]))


def _parsed(argv: list[str], module: ModuleType) -> list[str]:
    if usage.ASKED & set(argv[1:]):
        _print_to_whom_listens(usage.text(as_called(module.__doc__ or ""), module.__name__))
        sys.exit(0)
    return parsing.parse(argv)


def _print_whatever_names_hold() -> None:
    """Lets the standard output escape what it cannot show, as that of errors does.

    The name of a file may be any bytes, and a terminal may know few letters.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.errors == "strict":
        out.reconfigure(errors="backslashreplace")


def _print_to_whom_listens(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # as of `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def with_flags(message: str) -> str:
    """Returns what the library says of settings and arguments, in flags."""

    def flag(match: re.Match) -> str:
        return f"--{match[0]}" if match[0] in flags.FLAGS else match[0]

    message = re.sub(r"(?<![\w.-])config\.[a-z_]+", flag, message)
    message = re.sub(r"(rsf\.register_\w+)(?!.*rsf\.register_)", r"\1 in --cells=FILE", message)
    message = message.replace("those that are registered", "those that --cells=FILE registers")
    return re.sub(r"(?<=give )[a-z]+_[a-z_]+\b", flag, message)


def _is_of_devices(error: BaseException) -> bool:
    """Whether JAX has failed to start a device; how, depends on its version."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return Path(frames[-1]).name == "xla_bridge.py"


def _unknown_argument(argument: str) -> str:
    hint = parsing.suggestion(argument) or "; flags are written --NAME=VALUE"
    return f"{argument!r} is not a flag{hint}"
