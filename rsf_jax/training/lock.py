"""One writer for a run's folder at a time."""

import datetime
import os
import socket
from pathlib import Path

import filelock

from rsf_jax.errors import InputError
from rsf_jax.run_folder import RunFolder


class WriterLock:
    """Held by the process that trains in a folder.

    The operating system holds it for the process and drops it when the process ends, however it
    ends: no lock is ever left behind. On a shared file system it keeps other machines out too,
    if that system passes locks on (NFS 4 and Lustre with `flock` do).

    Args:
        workdir: an existing folder.

    Raises:
        InputError: if another process holds it; says which.
    """

    def __init__(self, workdir: Path) -> None:
        path = RunFolder(workdir).lock
        self._lock = filelock.FileLock(path, blocking=False)
        try:
            self._lock.acquire()
            path.write_text(_myself())
        except filelock.Timeout:
            raise InputError(
                f"another process trains in {workdir} ({_holder(path)}): wait for it, stop it, "
                "or choose another folder"
            ) from None
        except OSError as error:
            raise InputError(f"cannot write to {workdir}: {error}") from error

    def release(self) -> None:
        """Lets others write."""
        self._lock.release()


def _myself() -> str:
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}"


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "it has just begun"
    except OSError:
        return "which one cannot be read"
