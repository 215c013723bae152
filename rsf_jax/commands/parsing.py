"""Flags as they are typed: what is wrong with them is said in one line."""

import difflib
import math
import re
import sys

from absl import flags

_ILLEGAL = re.compile(r"flag --(?P<name>[\w.]+)=(?P<value>.*?): (?P<why>.*)", re.DOTALL)
_MISSING = re.compile(r"Missing value for flag --(?P<name>[\w.]+)")


def parse(argv: list[str]) -> list[str]:
    """Parses flags, instead of absl's own parser, whose message is followed by a hint at --help.

    Returns:
        The arguments that are no flags, the program's name first. A mistake ends the program with
        one line and exit code 1.
    """
    try:
        arguments = _parsed(argv)
        _check_values()
    except flags.Error as error:
        print(f"error: {_words(error)}", file=sys.stderr)
        sys.exit(1)
    return arguments


def _parsed(argv: list[str]) -> list[str]:
    """Help that was asked for is no mistake: absl ends with exit code 1 after it."""
    try:
        return flags.FLAGS(argv)
    except SystemExit:
        sys.exit(0)


def suggestion(name: str) -> str:
    """Returns a question for a name that is close to that of a flag, or nothing."""
    close = difflib.get_close_matches(name.lstrip("-"), list(flags.FLAGS), n=1)
    return f"; did you mean --{close[0]}?" if close else ""


def _check_values() -> None:
    """An empty value, as of a shell variable that is not set, must not pass for a flag left out.

    NaN lies within all bounds that absl checks. Fields of configurations check themselves: some may
    be empty.
    """
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if not flag.present or name.startswith("config."):
            continue
        if flag.value == "":
            raise flags.Error(f"--{name} is empty: give a value, or leave it out")
        if isinstance(flag.value, float) and not math.isfinite(flag.value):
            raise flags.Error(f"--{name}={flag.value}: a finite number is needed")


def _words(error: flags.Error) -> str:
    if isinstance(error, flags.UnrecognizedFlagError):
        hint = suggestion(error.flagname) or "; --help lists all"
        return f"--{error.flagname} is no flag{hint}"
    text = str(error)
    if match := _MISSING.fullmatch(text):
        return f"--{match['name']} has no value: write --{match['name']}=VALUE"
    match = _ILLEGAL.fullmatch(text)
    if match is None or match["name"] not in flags.FLAGS:
        return " ".join(text.split())
    return _illegal(match["name"], match["value"], " ".join(match["why"].split()))


def _illegal(name: str, value: str, why: str) -> str:
    flag = flags.FLAGS[name]
    choices = getattr(flag.parser, "enum_values", None)
    if choices:
        close = difflib.get_close_matches(value, choices, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        return f"--{name}={value}: choose one of {', '.join(choices)}{guess}"
    if "must have a value" in why:
        return f"give --{name}: {flag.help}"
    needed = "true or false" if flag.boolean else getattr(flag.parser, "syntactic_help", "")
    return f"--{name}={value}: {f'{needed} is needed' if needed else why}"
