"""What is done about a full disk."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from rsf_jax.errors import InputError

# Beside the arrays, and what they take more on a disk than in memory.
_MARGIN = 1 << 20


def check_room(folder: Path, tree: Any) -> None:
    """Raises OSError if a disk has no room for the arrays of a tree.

    Asked before a checkpoint is written: where the disk turns out to be full in the middle, storage
    libraries say so in hundreds of lines, from threads of their own.
    """
    needed = 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) + _MARGIN
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def disk_errors(workdir: Path) -> Iterator[None]:
    """Makes InputError of what the disk says while a run is written to its folder."""
    try:
        yield
    except Exception as error:
        if not (isinstance(error, OSError) or "RESOURCE_EXHAUSTED: Error writing" in str(error)):
            raise
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(
            f"cannot write to {workdir}: {why}; the checkpoints saved before are untouched, make "
            "room and start again to resume"
        ) from error
