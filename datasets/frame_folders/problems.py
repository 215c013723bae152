"""Everything that is wrong with a folder's files, told in one error; which were read."""

from __future__ import annotations

import pathlib

NAMED = 20  # problems told one by one


class Problems:
    """Files that cannot be used, collected until all have been looked at.

    What says which images there are, in which split and with which label, is read by `text` or
    `content`: so it is known what a dataset was made of.

    Args:
        folder: the folder that was given; files are named relative to it.

    Attributes:
        read: files that have been read so.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._found: dict[pathlib.Path, str] = {}
        self._advice: dict[str, None] = {}
        self.read: set[pathlib.Path] = set()

    def content(self, path: pathlib.Path) -> bytes:
        """Reads a file that says something of others."""
        self.read.add(path)
        return path.read_bytes()

    def text(self, path: pathlib.Path) -> str:
        """Reads a text that says something of others; nothing, and a problem, if it is none."""
        try:
            return self.content(path).decode("utf-8-sig")
        except UnicodeDecodeError:
            self.add(path, "is not a text file in UTF-8")
            return ""

    def add(self, path: pathlib.Path, what: str) -> None:
        """Notes what is wrong with a file; the first thing noted of it counts."""
        self._found.setdefault(path, what)

    def advise(self, what: str) -> None:
        """Says what may be done, if anything is found."""
        self._advice[what] = None

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, path: pathlib.Path) -> bool:
        return path in self._found

    def raise_if_any(self) -> None:
        """Ends the build if anything was found.

        Raises:
            ValueError: naming the first files and what is wrong with each.
        """
        if not self._found:
            return
        named = list(self._found.items())[:NAMED]
        advice = f" ({'; '.join(self._advice)})" if self._advice else ""
        lines = [f"  {self._relative(path)}: {what}" for path, what in named]
        if len(self._found) > NAMED:
            lines.append(f"  and {len(self._found) - NAMED} more")
        raise ValueError(
            f"{len(self._found)} file(s) in {self._folder} cannot be used; nothing was built"
            f"{advice}:\n" + "\n".join(lines)
        )

    def _relative(self, path: pathlib.Path) -> pathlib.Path:
        return path.relative_to(self._folder) if path.is_relative_to(self._folder) else path
