"""Reads state dicts from files, without PyTorch and without running anything in them.

A `.pt` file is a zip archive with a pickle of nested containers and, beside it, the numbers of
each tensor. A pickle may name any function to be called; here every name but those that describe
a tensor stands for an object that does nothing.
"""

import collections
import functools
import io
import math
import pickle
import pickletools
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import ml_dtypes
import numpy as np
import safetensors.numpy

from rsf_jax import legacy_torch, nesting, npz, shards
from rsf_jax.errors import InputError
from rsf_jax.paths import expand

_UNTYPED = np.dtype("V1")
_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
    "ComplexFloatStorage": np.complex64,
    "ComplexDoubleStorage": np.complex128,
    "UntypedStorage": _UNTYPED,
}
# What an untyped storage is read as.
_TYPES = {
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
}
_NAMED = 100  # classes of a file that messages can name
_OURS = re.compile(
    r"(?:rsf_jax\.\w+\.)?\b_(?:Inert|Maker|Tensor\w*|tensor|parameter|retyped|subclass)\b(?:\(\))?"
)
# Of what messages quote from files: names, characters of a name, and of a reader's words.
_LISTED, _NAME, _LONGEST = 10, 60, 200


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
    array = value.array if isinstance(value, _Tensor) else value
    return array if isinstance(array, np.ndarray) else None


def _words(error: Exception) -> str:
    """What a reader says, on one line and without the names that things have in this file."""
    if isinstance(error, InputError):
        return " ".join(str(error).split())[:_LONGEST]
    said = _OURS.sub("what it holds", " ".join(str(error).split()))
    return f"{type(error).__name__}: {said}"[:_LONGEST]


def show_names(names: Iterable[Any]) -> str:
    """Returns names out of a file as messages show them: on one line, and not thousands of them."""
    texts = [
        name if isinstance(name, str) and name.isprintable() else _shown(name) for name in names
    ]
    shown = [text if len(text) <= _NAME else f"{text[:_NAME]}..." for text in texts[:_LISTED]]
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(shown) + more


def _shown(value: Any) -> str:
    """What stands for something else is called by what it stands for."""
    if isinstance(value, _Maker):
        return "a type of numbers"
    is_inert = isinstance(value, _Inert) or (isinstance(value, type) and issubclass(value, _Inert))
    place = value.place if is_inert else ""
    return place if place.isprintable() and place else repr(place or value)


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
    if isinstance(content, _Inert):
        return (
            f"a whole object, {show_names([content.place])}, instead of a state dict: load it in "
            "PyTorch and save its state_dict()"
        )
    if not isinstance(content, Mapping):
        return f"{type(content).__name__} instead of a state dict"
    whole = [str(k) for k, v in content.items() if isinstance(v, _Inert)]
    hint = f"; {show_names(whole[:1])} is a whole object: save its state_dict()" if whole else ""
    return f"no tensors, but {show_names(content) or 'nothing'}{hint}"


def _read_torch(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        content = path.read_bytes()
        if legacy_torch.is_legacy(content):
            return legacy_torch.read(content, _unpickle, _storages_of)
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
        return _unpickle(entries.read("data.pkl"), entries)


def _unpickle(content: bytes, storages: "_Storages") -> Any:
    _check_pickle(content)
    return _TensorUnpickler(content, storages).load()


def _storages_of(content: bytes) -> dict[str, tuple[Any, int]]:
    """Type and length of every storage that a pickle refers to, by its key."""
    _check_pickle(content)
    unpickler = _StorageUnpickler(content)
    unpickler.load()
    return unpickler.found


def _check_pickle(content: bytes) -> None:
    """Refuses what would make the unpickler reserve memory that the pickle does not fill."""
    for operation, place, _ in pickletools.genops(content):  # checks lengths
        if operation.name in ("PUT", "LONG_BINPUT") and place is not None and place > len(content):
            raise InputError(f"its pickle counts to {place} in {len(content)} bytes: damaged")


@runtime_checkable
class _Storages(Protocol):
    """Where the numbers of tensors lie."""

    def storage(self, key: str, dtype: Any) -> np.ndarray:
        """Returns the numbers [n] of one storage."""


class _Entries:
    """The files of an archive, which together are not larger than it is: nothing is compressed."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, size: int) -> None:
        self._archive, self._folder, self._left = archive, folder, size
        self._swaps = self._order() != sys.byteorder

    def storage(self, key: str, dtype: Any) -> np.ndarray:
        """Returns the numbers [n] of one storage, in this machine's order of bytes."""
        content = self.read(f"data/{key}")
        if self._swaps and dtype is _UNTYPED:
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
            raise InputError(f"its order of bytes is {order[:_NAME]!r}: little or big is needed")
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


class _Inert:
    """Stands for whatever a pickle names besides tensors: it takes everything and does nothing."""

    place = "of an unknown kind"

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Takes an item of a list."""

    def extend(self, items: Any) -> None:
        """Takes items of a list."""


class _Tensor(_Inert):
    """A tensor, which nothing in a pickle can change."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


class _Maker(_Inert):
    """A function or a type of numbers; a pickle could set defaults of a function itself."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def __call__(self, *args: Any) -> Any:
        return self.make(*args)


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles containers, numbers and tensors alone."""

    def __init__(self, content: bytes, storages: _Storages | None = None) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._source = storages  # of numbers
        self._storages: dict[str, np.ndarray] = {}
        self._named: dict[tuple[str, str], type[_Inert]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module in ("torch._utils", "torch._tensor") and name in _MAKERS:
            return _Maker(_MAKERS[name])
        if module in ("torch", "torch.storage") and name in _DTYPES | _TYPES:
            return _Maker((_DTYPES | _TYPES)[name])
        return self._inert(module, name)

    def persistent_load(self, pid: Any) -> _Inert:
        key, dtype, count, part = _checked_storage(pid)
        if key not in self._storages and self._source is not None:
            self._storages[key] = self._source.storage(key, dtype)
        numbers = self._storages[key]
        if len(numbers) < count:
            raise InputError(f"storage {key} holds {len(numbers)} numbers of {count}: cut off")
        return _Tensor(numbers if part is None else numbers[part])

    def _inert(self, module: str, name: str) -> type[_Inert]:
        """A class that does nothing; of the first ones messages know what they are called."""
        if (module, name) not in self._named:
            if len(self._named) >= _NAMED:
                return _Inert
            place = f"{module}.{name}"[:_LONGEST]
            self._named[module, name] = type("_Inert", (_Inert,), {"place": place})
        return self._named[module, name]


class _StorageUnpickler(_TensorUnpickler):
    """Notes the storages that a pickle refers to, and makes no tensors."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.found: dict[str, tuple[Any, int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        is_maker = isinstance(found, _Maker) and name in _MAKERS
        return self._inert(module, name) if is_maker else found

    def persistent_load(self, pid: Any) -> _Inert:
        key, dtype, count, _ = _checked_storage(pid)
        if self.found.setdefault(key, (dtype, count))[0] is not dtype:
            raise InputError(f"storage {key} is of two types")
        return _Inert()


def _checked_storage(pid: Any) -> tuple[str, Any, int, slice | None]:
    """Key, type and length of a storage, and which part of it is meant, if not all."""
    kind, dtype, key, _, count, *view = pid
    if kind != "storage" or not isinstance(key, str) or not isinstance(count, int):
        raise InputError(f"tensors of an unknown kind: {show_names([kind, key])}")
    if not isinstance(dtype, _Maker):
        raise InputError(f"tensors of {show_names([dtype])} cannot be read: save them as float32")
    if not view or view[0] is None:
        return key, dtype.make, count, None
    _, offset, size = view[0]
    if not 0 <= offset <= offset + size <= count:
        raise InputError(f"a part of storage {key} reaches beyond it")
    return key, dtype.make, count, slice(offset, offset + size)


def _tensor(
    storage: _Tensor, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> _Tensor:
    numbers = _flat(storage)
    if min((*shape, *stride), default=0) < 0 or len(shape) != len(stride):
        raise InputError(f"a tensor has shape {list(shape)} and strides {list(stride)}")
    if math.prod(shape) > len(numbers):
        raise InputError(f"a tensor of shape {list(shape)} is larger than its storage")
    if math.prod(shape) == 0:
        return _Tensor(np.zeros(shape, numbers.dtype))
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride))
    if not 0 <= offset <= last < len(numbers):
        raise InputError(f"a tensor of shape {list(shape)} reaches beyond its storage")
    # A view, as in PyTorch: however many tensors share a storage, it is in memory once.
    steps = [step * numbers.itemsize for step in stride]
    return _Tensor(np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps))


def _flat(storage: _Tensor) -> np.ndarray:
    """The numbers of a storage; a tensor in its place might see some of them several times."""
    numbers = storage.array
    if numbers.ndim != 1 or not numbers.flags.c_contiguous:
        raise InputError("a tensor is made of another tensor in place of a storage")
    return numbers


def _parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data


def _retyped(
    storage: _Tensor,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    _gradient: Any,
    _hooks: Any,
    dtype: _Maker,
    *_: Any,
) -> _Tensor:
    """A tensor of an untyped storage."""
    if not isinstance(dtype, _Maker):
        raise InputError(f"tensors of {show_names([dtype])} cannot be read: save them as float32")
    numbers, size = _flat(storage), np.dtype(dtype.make).itemsize
    whole = len(numbers) // size * size
    return _tensor(_Tensor(numbers[:whole].view(dtype.make)), offset, shape, stride)


def _subclass(make: _Maker, _: Any, args: tuple[Any, ...], *__: Any) -> _Tensor:
    """A tensor of a class of its own."""
    if not isinstance(make, _Maker):
        raise InputError("a tensor is made by an unknown function")
    return make(*args)


_MAKERS = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_tensor_v3": _retyped,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
    "_rebuild_from_type_v2": _subclass,
}
