"""The file that keeps a server's streams for the process after it."""

import asyncio
import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path

from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.run_folder import writable_folder
from rsf_jax.serving.kept import Kept
from rsf_jax.serving.session import Session
from rsf_jax.streaming import Snapshot, StreamEngine


class Keeper:
    """Reads the snapshot of the process before, and writes those of this one.

    Args:
        path: of the file; None for none.

    Raises:
        InputError: if nothing can be written there, or what is there cannot be gone on with.

    Attributes:
        before: streams of the process before; None without any.
        kept: how clients wanted them.
    """

    def __init__(self, path: str | Path | None) -> None:
        path = None if path is None else expand(path)
        self._path, self._writing = path, threading.Lock()
        if path is not None:
            # Now, and not when there are streams that would be lost.
            if path.is_dir():
                raise InputError(f"{path} is a folder: a file for the streams is needed")
            writable_folder(path.parent)
        self.before = Snapshot.load(path) if path and path.exists() else None
        self.kept = Kept.of(self.before.notes if self.before else {})

    @property
    def keeps(self) -> bool:
        """Whether there is a file."""
        return self._path is not None

    async def save(
        self, engine: StreamEngine, sessions: Mapping[str, Session], given: str, changed: str
    ) -> None:
        """Keeps the streams of all clients; without any, and no changed policy, there is no file.

        Args:
            engine: of the streams.
            sessions: by name; they may change meanwhile.
            given: name of the policy that the server was started with.
            changed: text of the policy that clients have changed it to; empty if they have not.

        Raises:
            InputError: if the file cannot be written.
        """
        if self._path is not None:
            await asyncio.to_thread(self._save, self._path, engine, sessions, given, changed)

    def _save(
        self,
        path: Path,
        engine: StreamEngine,
        sessions: Mapping[str, Session],
        given: str,
        changed: str,
    ) -> None:
        # Nothing ends a thread whose coroutine is canceled: at the end of a process one may still
        # be writing, and would put older streams in the place of the last ones.
        with self._writing:
            # `dict` copies in one go; the event loop's thread opens and closes sessions meanwhile.
            theirs = {name: s for name, s in dict(sessions).items() if _is_kept(s)}
            if not (theirs or changed):
                path.unlink(missing_ok=True)
                return
            # All of the engine's: one that is named here, and ends before the engine comes to it,
            # would be an error.
            snapshot = engine.snapshot()
            alive = {name: s.options for name, s in theirs.items() if sessions.get(name) is s}
            kept = tuple(stream for stream in snapshot.streams if stream.name in alive)
            options = {stream.name: alive[stream.name] for stream in kept}
            notes = Kept(given, changed, options).notes()
            dataclasses.replace(snapshot, streams=kept, notes=notes).save(path)


def _is_kept(session: Session) -> bool:
    stream = session.stream
    return not session.own and stream is not None and not stream.failure
