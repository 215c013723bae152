"""Reads state dicts from files, without PyTorch and without running anything in them.

A `.pt` file is a zip archive with a pickle of nested containers and, beside it, the numbers of
each tensor. A pickle may name any function to be called; here every name but those that describe
a tensor stands for an object that does nothing.
"""

import collections
import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors.numpy

from rsf_jax.errors import InputError
from rsf_jax.paths import expand

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
}
# Names under which training scripts nest a state dict among other things.
_NESTED = ("model", "state_dict", "model_state_dict")
# Of what messages quote from files: names, characters of a name, and of a reader's words.
_LISTED, _NAME, _LONGEST = 10, 60, 200


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a PyTorch or safetensors file, by name.

    Args:
        path: a `.safetensors` file, or a zip file as `torch.save` has written it since PyTorch 1.6,
            of a state dict or of a dict that holds one under "model" or "state_dict". Tensors of
            reduced precision come as they are; a prefix `module.` is kept.

    Raises:
        InputError: if the file is missing, damaged or holds no state dict.
    """
    path = expand(path)
    if not path.is_file():
        raise InputError(f"{path} is no file: give a .pt, .pth or .safetensors file")
    is_torch = path.suffix != ".safetensors"
    try:
        content = _read_torch(path) if is_torch else safetensors.numpy.load_file(path)
    # Whatever a damaged file makes of itself, in the words of its reader.
    except Exception as error:
        kind = "a PyTorch file" if is_torch else "safetensors"
        reader = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        why = " ".join(f"{reader}{error}".split())[:_LONGEST]
        raise InputError(f"{path} cannot be read as {kind}: {why}") from error
    return _only_tensors(path, content)


def show_names(names: Iterable[Any]) -> str:
    """Returns names out of a file as messages show them: on one line, and not thousands of them."""
    texts = [name if isinstance(name, str) and name.isprintable() else repr(name) for name in names]
    shown = [text if len(text) <= _NAME else f"{text[:_NAME]}..." for text in texts[:_LISTED]]
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(shown) + more


def _read_torch(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise InputError(
            "it is not a zip archive, as torch.save writes since PyTorch 1.6: it is damaged, or "
            "older; load it there and save it again"
        )
    with zipfile.ZipFile(path) as archive:
        name = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
        if name is None:
            raise InputError("it holds no data.pkl, as torch.save writes")
        entries = _Entries(archive, name.removesuffix("data.pkl"), path.stat().st_size)
        content = entries.read("data.pkl")
        _check_pickle(content)
        return _TensorUnpickler(content, entries).load()


def _check_pickle(content: bytes) -> None:
    """Refuses what would make the unpickler reserve memory that the pickle does not fill."""
    for operation, place, _ in pickletools.genops(content):  # checks lengths
        if operation.name in ("PUT", "LONG_BINPUT") and place is not None and place > len(content):
            raise InputError(f"its pickle counts to {place} in {len(content)} bytes: damaged")


def _only_tensors(path: Path, content: Any) -> dict[str, np.ndarray]:
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds {type(content).__name__} instead of a state dict")
    arrays = {k: v.array if isinstance(v, _Tensor) else v for k, v in content.items()}
    tensors = {k: v for k, v in arrays.items() if isinstance(v, np.ndarray)}
    if not tensors:
        raise InputError(f"{path} holds no tensors, but {show_names(content) or 'nothing'}")
    if not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{path} names tensors {show_names(tensors)}: texts are needed")
    return tensors


class _Entries:
    """The files of an archive, which together are not larger than it is: nothing is compressed."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, size: int) -> None:
        self._archive, self._folder, self._left = archive, folder, size

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

    def __init__(self, content: bytes, entries: _Entries) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._entries = entries
        self._storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Maker(_tensor)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _Maker(_parameter)
        if module == "torch" and name in _DTYPES:
            return _Maker(_DTYPES[name])
        return _Inert

    def persistent_load(self, pid: Any) -> _Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, _Maker):
            raise InputError(f"tensors of an unknown kind: {show_names([kind, dtype])}")
        if key not in self._storages:
            content = self._entries.read(f"data/{key}")
            self._storages[key] = np.frombuffer(content, dtype.make)
        numbers = self._storages[key]
        if len(numbers) < count:
            raise InputError(f"storage {key} holds {len(numbers)} numbers of {count}: cut off")
        return _Tensor(numbers)


def _tensor(
    storage: _Tensor, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> _Tensor:
    numbers = storage.array
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


def _parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data
