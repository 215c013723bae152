"""What the tables of bad input are made of, and what is checked of every case."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Launched:
    """A launcher that must end with one line.

    Attributes:
        launcher: its name.
        flags: separated by spaces; {run}, {data}, {bad} and {new} stand for folders: a small
            trained run, the data it was trained on, files that are damaged, one that is not there.
        says: what the line must contain.
    """

    launcher: str
    flags: str
    says: str

    def __str__(self) -> str:
        return f"{self.launcher} {self.flags}"


@dataclasses.dataclass(frozen=True)
class Called:
    """A call that must raise `InputError`.

    Attributes:
        name: of the case.
        call: without arguments.
        says: what the message must contain.
    """

    name: str
    call: Callable[[], Any]
    says: str

    def __str__(self) -> str:
        return self.name


def check_message(text: str, says: str) -> None:
    """Checks that a message is one line of a length that can be read, and contains a text."""
    assert text.splitlines() == [text], text
    assert len(text) < 1000, text
    assert says in text


def snapshot(*folders: Path) -> dict[str, tuple[int, str]]:
    """Returns sizes and hashes of all files in folders, but for locks, which may appear."""
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    contents = {str(p): p.read_bytes() for p in files if p.name != ".lock"}
    return {name: (len(c), hashlib.sha256(c).hexdigest()) for name, c in contents.items()}
