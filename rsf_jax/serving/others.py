"""Snapshots of other servers, whose streams go on here once they are asked for."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.streaming import Snapshot


class Others:
    """Files that other servers write.

    Args:
        paths: of their snapshots; those that are not there, or damaged, have no streams.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._paths = tuple(map(expand, paths))

    def find(self, name: str) -> tuple[Path, Snapshot] | None:
        """Returns a snapshot of the one stream of a name, and its file; None if no file has it."""
        for path in self._paths:
            snapshot = _loaded(path)
            chosen = [s for s in snapshot.streams if s.name == name] if snapshot else []
            if snapshot and chosen:
                return path, dataclasses.replace(snapshot, streams=tuple(chosen))
        return None

    def remove(self, path: Path, name: str) -> None:
        """Takes a stream out of a file: the server that comes back does not go on with it, too."""
        snapshot = _loaded(path)
        if snapshot is not None:
            left = tuple(s for s in snapshot.streams if s.name != name)
            dataclasses.replace(snapshot, streams=left).save(path)


def _loaded(path: Path) -> Snapshot | None:
    if not path.exists():
        return None
    try:
        return Snapshot.load(path)
    except InputError as error:
        logging.getLogger(__name__).error("%s", error)
        return None
