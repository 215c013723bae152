"""What all writers do about what is there already, and about a full disk."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from av.error import FFmpegError

from rsf_jax import paths
from rsf_jax.errors import InputError


def check_free(path: Path, overwrite: bool) -> None:
    """Raises InputError if there is something at a path that would be lost, or cannot be.

    Args:
        path: of a file.
        overwrite: whether a file there may be lost.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if not overwrite and path.exists() and path.stat().st_size:
        raise InputError(f"{path} exists already: give another name, or allow overwrite")


def check_free_folder(path: Path, overwrite: bool) -> None:
    """Raises InputError if a folder holds something that would be lost, or is none.

    Args:
        path: of the folder, which need not be there.
        overwrite: whether what it holds may be lost.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give the name of a folder")
    with disk_errors(path):
        if not overwrite and path.exists() and any(path.iterdir()):
            raise InputError(f"folder {path} is not empty: give another, or allow overwrite")


def check_open(path: Path, is_over: bool) -> None:
    """Raises InputError if the writer of a file has been closed: it would begin it anew."""
    if is_over:
        raise InputError(f"{path} is closed, and takes no more: make another writer")


def check_spares(path: Path, inputs: Iterable[Path]) -> None:
    """Raises InputError if what is to be written would take the place of what is read.

    Args:
        path: of a file or folder.
        inputs: files and folders that are read, by whatever path.
    """
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise InputError(f"{path} is an input: write to another folder")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Makes InputError of what the disk says while `path` is written, to us or to FFmpeg."""
    with paths.disk_errors(path):
        try:
            yield
        except FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error
