"""What a dataset was made of, so that another folder, or an edit in the same one, is noticed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

# Of files in the folder itself, those that may say how others are read.
_SETTINGS = (".yaml", ".yml", ".txt", ".csv", ".json")


@dataclasses.dataclass(frozen=True)
class Source:
    """The files of a folder.

    Attributes:
        folder: that was given.
        files: that are read, sorted.
    """

    folder: pathlib.Path
    files: tuple[pathlib.Path, ...]

    @functools.cached_property
    def stamp(self) -> str:
        """A digest of names, sizes and times of change: quick, and another for every copy."""
        return _digest(self._named(), lambda path: f"{_stat(path)}".encode())

    @functools.cached_property
    def fingerprint(self) -> str:
        """A digest of names and contents: the same for every copy."""
        return _digest(self._named(), _content)

    def as_metadata(self) -> dict[str, Any]:
        """Plain values for the metadata of a built dataset."""
        return {
            "folder": str(self.folder.resolve()),
            "files": len(self.files),
            "stamp": self.stamp,
            "fingerprint": self.fingerprint,
        }

    def is_of(self, metadata: dict[str, Any]) -> bool:
        """Whether a dataset with such metadata was made of these files as they are now."""
        if metadata.get("files") != len(self.files):
            return False
        return self.stamp == metadata["stamp"] or self.fingerprint == metadata["fingerprint"]

    def _named(self) -> list[tuple[str, pathlib.Path]]:
        return [(pathlib.Path(os.path.relpath(p, self.folder)).as_posix(), p) for p in self.files]


def source_of(folder: pathlib.Path, used: Iterable[pathlib.Path]) -> Source:
    """The files that are used, and those in the folder itself that may say how."""
    settings = {
        path for path in folder.iterdir() if path.suffix.lower() in _SETTINGS and path.is_file()
    }
    return Source(folder, tuple(sorted({*used, *settings})))


def _digest(
    files: list[tuple[str, pathlib.Path]], describe: Callable[[pathlib.Path], bytes]
) -> str:
    whole = hashlib.sha256()
    for name, path in files:
        whole.update(f"{name}\n".encode(errors="surrogateescape"))
        whole.update(describe(path) if path.is_file() else b"missing")
    return whole.hexdigest()


def _stat(path: pathlib.Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _content(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
