"""Reads the pickles of PyTorch's files, without PyTorch and without running anything in them.

A pickle may name any function to be called; here every name but those that describe a tensor
stands for an object that does nothing.
"""

import collections
import io
import math
import pickle
import pickletools
import re
from typing import Any, Protocol, runtime_checkable

import ml_dtypes
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.weights.quoting import LONGEST, Placeholder, show_names

UNTYPED = np.dtype("V1")
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
    "UntypedStorage": UNTYPED,
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
    r"(?:rsf_jax(?:\.\w+)+\.)?\b"
    r"(?:InertObject|FileTensor|_Maker|_\w+Unpickler|_tensor|_parameter|_retyped|_subclass)\b(?:\(\))?"
)


@runtime_checkable
class Storages(Protocol):
    """Where the numbers of tensors lie."""

    def storage(self, key: str, dtype: Any) -> np.ndarray:
        """Returns the numbers [n] of one storage."""


def without_own_names(said: str) -> str:
    """Returns a reader's words without the names that things have in this file."""
    return _OURS.sub("what it holds", said)


def unpickle(content: bytes, storages: Storages) -> Any:
    """Returns what a pickle holds, with `FileTensor` and `InertObject` in it.

    Raises:
        InputError: if it is damaged. Errors of `pickle` are left as they are.
    """
    _check_pickle(content)
    return _TensorUnpickler(content, storages).load()


def storages_of(content: bytes) -> dict[str, tuple[Any, int]]:
    """Returns type and length of every storage that a pickle refers to, by its key."""
    _check_pickle(content)
    unpickler = _StorageUnpickler(content)
    unpickler.load()
    return unpickler.found


def _check_pickle(content: bytes) -> None:
    """Refuses what would make the unpickler reserve memory that the pickle does not fill."""
    for operation, place, _ in pickletools.genops(content):  # checks lengths
        if operation.name in ("PUT", "LONG_BINPUT") and place is not None and place > len(content):
            raise InputError(f"its pickle counts to {place} in {len(content)} bytes: damaged")


class InertObject(Placeholder):
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


class FileTensor(InertObject):
    """A tensor, which nothing in a pickle can change."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


class _Maker(InertObject):
    """A function or a type of numbers; a pickle could set defaults of a function itself."""

    place = "a type of numbers"

    def __init__(self, make: Any) -> None:
        self.make = make

    def __call__(self, *args: Any) -> Any:
        return self.make(*args)


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles containers, numbers and tensors alone."""

    def __init__(self, content: bytes, storages: Storages | None = None) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._source = storages  # of numbers
        self._storages: dict[str, np.ndarray] = {}
        self._named: dict[tuple[str, str], type[InertObject]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module in ("torch._utils", "torch._tensor") and name in _MAKERS:
            return _Maker(_MAKERS[name])
        if module in ("torch", "torch.storage") and name in _DTYPES | _TYPES:
            return _Maker((_DTYPES | _TYPES)[name])
        return self._inert(module, name)

    def persistent_load(self, pid: Any) -> InertObject:
        key, dtype, count, part = _checked_storage(pid)
        if key not in self._storages and self._source is not None:
            self._storages[key] = self._source.storage(key, dtype)
        numbers = self._storages[key]
        if len(numbers) < count:
            raise InputError(f"storage {key} holds {len(numbers)} numbers of {count}: cut off")
        return FileTensor(numbers if part is None else numbers[part])

    def _inert(self, module: str, name: str) -> type[InertObject]:
        """A class that does nothing; of the first ones messages know what they are called."""
        if (module, name) not in self._named:
            if len(self._named) >= _NAMED:
                return InertObject
            place = f"{module}.{name}"[:LONGEST]
            self._named[module, name] = type("InertObject", (InertObject,), {"place": place})
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

    def persistent_load(self, pid: Any) -> InertObject:
        key, dtype, count, _ = _checked_storage(pid)
        if self.found.setdefault(key, (dtype, count))[0] is not dtype:
            raise InputError(f"storage {key} is of two types")
        return InertObject()


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
    storage: FileTensor, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> FileTensor:
    numbers = _flat(storage)
    if min((*shape, *stride), default=0) < 0 or len(shape) != len(stride):
        raise InputError(f"a tensor has shape {list(shape)} and strides {list(stride)}")
    if math.prod(shape) > len(numbers):
        raise InputError(f"a tensor of shape {list(shape)} is larger than its storage")
    if math.prod(shape) == 0:
        return FileTensor(np.zeros(shape, numbers.dtype))
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride))
    if not 0 <= offset <= last < len(numbers):
        raise InputError(f"a tensor of shape {list(shape)} reaches beyond its storage")
    # A view, as in PyTorch: however many tensors share a storage, it is in memory once.
    steps = [step * numbers.itemsize for step in stride]
    return FileTensor(np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps))


def _flat(storage: FileTensor) -> np.ndarray:
    """The numbers of a storage; a tensor in its place might see some of them several times."""
    numbers = storage.array
    if numbers.ndim != 1 or not numbers.flags.c_contiguous:
        raise InputError("a tensor is made of another tensor instead of a storage")
    return numbers


def _parameter(data: FileTensor, *_: Any) -> FileTensor:
    return data


def _retyped(
    storage: FileTensor,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    _gradient: Any,
    _hooks: Any,
    dtype: _Maker,
    *_: Any,
) -> FileTensor:
    """A tensor of an untyped storage."""
    if not isinstance(dtype, _Maker):
        raise InputError(f"tensors of {show_names([dtype])} cannot be read: save them as float32")
    numbers, size = _flat(storage), np.dtype(dtype.make).itemsize
    whole = len(numbers) // size * size
    return _tensor(FileTensor(numbers[:whole].view(dtype.make)), offset, shape, stride)


def _subclass(make: _Maker, _: Any, args: tuple[Any, ...], *__: Any) -> FileTensor:
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
