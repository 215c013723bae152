"""Writes requirements.txt, and with --lock requirements.lock, from pyproject.toml.

    python tools/requirements.py [--lock]

`requirements.txt` has what every command, test and check of the repository needs: the dependencies
and the extras `all` and `dev`. `requirements.lock` has the versions of these, and of what they need
themselves, in the environment that runs this.
"""

import argparse
import importlib.metadata
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_EXTRAS = ("all", "dev")
_INSTALLERS = {"pip", "setuptools", "wheel"}  # which an environment brings
_RANGES = """\
# Everything a fresh machine needs to build data, train, evaluate and run the tests. Made from
# pyproject.toml by: python tools/requirements.py
{}

-e .
"""
_VERSIONS = """\
# The versions that the tests were last run with, on Python 3.11 and Linux:
#   pip install -r requirements.lock && pip install --no-deps -e .
# requirements.txt has the ranges. Made by: python tools/requirements.py --lock
{}
"""


def ranges() -> str:
    """Returns the text of requirements.txt."""
    lines = {str(wanted) for extra in ("", *_EXTRAS) for wanted in _declared(extra)}
    return _RANGES.format("\n".join(sorted(lines, key=str.lower)))


def versions() -> str:
    """Returns the text of requirements.lock, of the environment that runs this.

    Raises:
        importlib.metadata.PackageNotFoundError: if something is not installed.
    """
    found: dict[str, str] = {}
    todo = [wanted for extra in ("", *_EXTRAS) for wanted in _declared(extra)]
    done = set()
    while todo:
        wanted = todo.pop()
        if str(wanted) in done or not _applies(wanted, ""):
            continue
        done.add(str(wanted))
        installed = importlib.metadata.distribution(wanted.name)
        found[canonicalize_name(wanted.name)] = f"{installed.name}=={installed.version}"
        for needed in map(Requirement, installed.requires or []):
            if any(_applies(needed, extra) for extra in ("", *wanted.extras)):
                needed.marker = None
                todo.append(needed)
    return _VERSIONS.format("\n".join(found[name] for name in sorted(found.keys() - _INSTALLERS)))


def _declared(extra: str) -> Iterator[Requirement]:
    """What pyproject.toml has in an extra, and in those that it is made of; "" is no extra."""
    texts = _PROJECT["optional-dependencies"][extra] if extra else _PROJECT["dependencies"]
    for wanted in map(Requirement, texts):
        if canonicalize_name(wanted.name) == canonicalize_name(_PROJECT["name"]):
            for one in wanted.extras:
                yield from _declared(one)
        else:
            yield wanted


def _applies(wanted: Requirement, extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})


def main() -> None:
    """Writes one of the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lock", action="store_true", help="write requirements.lock")
    name, make = ("lock", versions) if parser.parse_args().lock else ("txt", ranges)
    (ROOT / f"requirements.{name}").write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
