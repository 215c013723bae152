"""Results of a long test, kept as they come: one that was interrupted goes on where it was."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Kept:
    """What has been found of a test, in a file of a JSON object a line, the first of the test.

        kept = Kept(path, {"weights": trained.fingerprint, "seed": 0})
        score = kept.found(["s3f1", 0.05], lambda: compute())
        kept.end()

    A file of another test, or of none, is begun anew; a last line that is cut off is left out.

    Args:
        path: the file.
        test: what the results depend on, of values that JSON knows.
    """

    def __init__(self, path: Path, test: Mapping[str, Any]) -> None:
        self._path = path
        self._head = json.dumps(test, sort_keys=True)
        self._found = self._read()
        self._whole = False  # whether the file holds that and nothing else

    def __contains__(self, key: Any) -> bool:
        """Whether there is a result of this name."""
        return json.dumps(key) in self._found

    def __getitem__(self, key: Any) -> Any:
        """Returns the result of a name."""
        return self._found[json.dumps(key)]

    def add(self, key: Any, value: Any) -> None:
        """Keeps a result.

        Args:
            key: its name, of values that JSON knows.
            value: likewise, NaN among them.
        """
        if not self._whole:
            # Anew: without what another test, or a line that was cut off, has left.
            lines = (json.dumps([json.loads(key), value]) for key, value in self._found.items())
            self._path.write_text("".join(f"{line}\n" for line in (self._head, *lines)))
            self._whole = True
        with self._path.open("a") as file:
            file.write(json.dumps([key, value]) + "\n")
        # As it will be read: a tuple is a list.
        self._found[json.dumps(key)] = json.loads(json.dumps(value))

    def found(self, key: Any, make: Callable[[], Any]) -> Any:
        """Returns the result of a name, made now if there is none."""
        if key not in self:
            self.add(key, make())
        return self[key]

    def end(self) -> None:
        """Deletes the file: all is written elsewhere."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            head, *lines = self._path.read_text().splitlines() or [""]
        except FileNotFoundError:
            return {}
        if head != self._head:
            return {}
        found = {}
        for line in lines:
            try:
                key, value = json.loads(line)
            except ValueError:
                break
            found[json.dumps(key)] = value
        return found
