"""Paths and addresses as users write them."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from rsf_jax.errors import InputError

_SHOWN = 60  # characters of a path that cannot be one


def expand(path: str | Path) -> Path:
    """Returns a path with `~` in front replaced by the home directory.

    Raises:
        InputError: if it is none, that of a user who is not known here, none of this machine, or
            one that the system refuses, as it does names of thousands of characters.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{path!r} is no path: a text or a pathlib.Path is needed")
    # Path makes one slash of two.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise InputError(
            f"{path} is an address: give a folder of this machine, where a bucket may be mounted"
        )
    try:
        found = Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be found ({str(error).rstrip('.').lower()}): write the folder instead "
            "of ~"
        ) from error
    _check_usable(found)
    return found


def _check_usable(path: Path) -> None:
    """Raises InputError if the system refuses to look at a path, whatever there is."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        shown = str(path) if len(str(path)) <= _SHOWN else f"{str(path)[:_SHOWN]}..."
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{shown!r} is no path that can be used: {why}") from None


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Makes InputError of what the disk says while `path` is written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}; make room, or write elsewhere"
        ) from error


def unfinished(path: Path) -> Path:
    """Makes an empty file beside another, under a name that nobody has, and returns its path.

    It is called as the other will be, with ".unfinished" behind it, and a number if that is taken.
    Whoever fills it gives it its name with `Path.replace`, or deletes it.
    """
    number = 1
    while True:
        found = path.with_name(f"{path.name}.unfinished{number if number > 1 else ''}")
        with contextlib.suppress(FileExistsError):
            found.touch(exist_ok=False)
            return found
        number += 1


def split_address(address: str) -> SplitResult:
    """Returns the parts of an address, such as "http://localhost:8000/".

    Raises:
        InputError: if it has none: a bracket that is not closed, a port that is no number.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port, parts.hostname  # looked at only when they are asked for
    except ValueError as error:
        shown = address.rpartition("@")[2]  # without a password
        raise InputError(f"{shown!r} is no address: {error}") from None
    return parts


def cache_folder(*parts: str) -> Path | None:
    """Returns a folder for what can be made again, made if it is not there.

    It lies in `~/.cache/rsf_jax`, or where XDG_CACHE_HOME says; None where there is no home, or
    none that can be written to.
    """
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home, "rsf_jax", *parts)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder
