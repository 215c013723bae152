"""Reads state dicts from files, without PyTorch and without running anything in them.

A `.pt` file is a zip archive with a pickle of nested containers and, beside it, the numbers of
each tensor.
"""

import functools
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.weights import legacy_torch, nesting, npz, shards
from rsf_jax.weights.quoting import LONGEST, NAME, show_names
from rsf_jax.weights.torch_pickles import (
    UNTYPED,
    FileTensor,
    InertObject,
    unpickle,
    without_own_names,
)


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a file of weights, by name.

    Of a file that holds a state dict among other things, the state dict: under a usual name such
    as "model" or "state_dict", or wherever the only tensors are.

    Args:
        path: a file as for `read_content`. Tensors of reduced precision come as they are, and
            prefixes such as `module.` are kept.

    Raises:
        InputError: if the file is missing, damaged or holds no state dict.
    """
    return tensors_in(path, read_content(path))


def read_content(path: str | Path) -> Any:
    """Returns what a file of weights holds: containers, and what `array_in` makes arrays of.

    Args:
        path: a `.safetensors` or `.npz` file, the `.index.json` of one that is divided into
            shards, or a file that `torch.save` has written, of any version.

    Raises:
        InputError: if the file is missing, damaged or none of these.
    """
    path = expand(path)
    if not path.is_file():
        raise InputError(f"{path} is no file: give a .pt, .pth, .npz or .safetensors file")
    kind = "weights"
    try:
        kind, read = _reader(path)
        return read(path)
    # Whatever a damaged file makes of itself, in the words of its reader.
    except Exception as error:
        raise InputError(f"{path} cannot be read as {kind}: {_words(error)}") from error


def tensors_in(path: str | Path, content: Any) -> dict[str, np.ndarray]:
    """Returns the state dict of what a file holds, by name.

    Raises:
        InputError: if it holds none.
    """
    path, groups = expand(path), nesting.groups(content, array_in)
    if not groups:
        raise InputError(f"{path} holds {_described(content)}")
    tensors = nesting.state_dict(groups)
    if not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{path} names tensors {show_names(tensors)}: texts are needed")
    return tensors


def array_in(value: Any) -> np.ndarray | None:
    """Returns the array that a value of a file stands for, if it stands for one."""
    array = value.array if isinstance(value, FileTensor) else value
    return array if isinstance(array, np.ndarray) else None


def _words(error: Exception) -> str:
    """What a reader says, on one line and without this library's names for things."""
    if isinstance(error, InputError):
        return " ".join(str(error).split())[:LONGEST]
    said = without_own_names(" ".join(str(error).split()))
    return f"{type(error).__name__}: {said}"[:LONGEST]


def _reader(path: Path) -> tuple[str, Any]:
    """What kind of file it is, in words, and what reads it."""
    with path.open("rb") as file:
        head = file.read(64)
    if path.suffix.lower() == ".safetensors":
        return "safetensors", safetensors.numpy.load_file
    if path.suffix.lower() == ".json":
        return "an index of shards", functools.partial(shards.read, read_file=read_state_dict)
    if path.suffix.lower() == ".npz":
        return "an .npz file", npz.read
    # A file under another name: its header is a length, and JSON.
    if head[7:9] == b"\0{":
        return "safetensors", safetensors.numpy.load_file
    return "a PyTorch file", _read_torch


def _described(content: Any) -> str:
    """What a file without tensors holds instead."""
    if array_in(content) is not None:
        return "a single tensor instead of a state dict"
    if isinstance(content, InertObject):
        return (
            f"a whole object, {show_names([content.place])}, instead of a state dict: load it in "
            "PyTorch and save its state_dict()"
        )
    if not isinstance(content, Mapping):
        return f"{type(content).__name__} instead of a state dict"
    whole = [str(k) for k, v in content.items() if isinstance(v, InertObject)]
    hint = f"; {show_names(whole[:1])} is a whole object: save its state_dict()" if whole else ""
    return f"no tensors, but {show_names(content) or 'nothing'}{hint}"


def _read_torch(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        content = path.read_bytes()
        if legacy_torch.is_legacy(content):
            return legacy_torch.read(content)
        raise InputError(
            "it is not a zip archive, as torch.save writes since PyTorch 1.6, nor what it wrote "
            "before: it is damaged, or no file of weights; load it in PyTorch and save it again"
        )
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        name = next((n for n in names if n.endswith("data.pkl")), None)
        if name is None:
            if any(n.endswith(".npy") for n in names):
                return npz.read(path)
            raise InputError("it holds no data.pkl, as torch.save writes")
        entries = _Entries(archive, name.removesuffix("data.pkl"), path.stat().st_size)
        return unpickle(entries.read("data.pkl"), entries)


class _Entries:
    """The files of an archive, which together are not larger than it is: nothing is compressed."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, size: int) -> None:
        self._archive, self._folder, self._left = archive, folder, size
        self._swaps = self._order() != sys.byteorder

    def storage(self, key: str, dtype: Any) -> np.ndarray:
        """Returns the numbers [n] of one storage, in this machine's order of bytes."""
        content = self.read(f"data/{key}")
        if self._swaps and dtype is UNTYPED:
            raise InputError(
                "it has untyped numbers in another order of bytes: save them as float32"
            )
        if not self._swaps or np.dtype(dtype).itemsize == 1:
            return np.frombuffer(content, dtype)
        parts = 2 if np.issubdtype(dtype, np.complexfloating) else 1
        word = f"u{np.dtype(dtype).itemsize // parts}"
        return np.frombuffer(content, word).byteswap().view(dtype)

    def _order(self) -> str:
        """The order of bytes; files of older versions do not say, and are of small-endian PCs."""
        if f"{self._folder}byteorder" not in self._archive.namelist():
            return "little"
        order = self.read("byteorder").decode("ascii", "replace").strip()
        if order not in ("little", "big"):
            raise InputError(f"its order of bytes is {order[:NAME]!r}: little or big is needed")
        return order

    def read(self, name: str) -> bytes:
        """Returns the content of one file."""
        info = self._archive.getinfo(self._folder + name)
        self._left -= info.file_size
        compressed = info.compress_type != zipfile.ZIP_STORED
        if compressed or info.compress_size != info.file_size or self._left < 0:
            raise InputError(
                f"{name} is compressed, or larger than the file: save it with torch.save"
            )
        return self._archive.read(info)
