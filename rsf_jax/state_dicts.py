"""Reads state dicts from files, without PyTorch and without running anything in them.

A `.pt` file is a zip archive with a pickle of nested containers and, beside it, the numbers of
each tensor. A pickle may name any function to be called; here every name but those that describe
a tensor stands for an object that does nothing.
"""

import collections
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from rsf_jax.errors import InputError

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


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a PyTorch or safetensors file, by name.

    Args:
        path: a `.safetensors` file, or a zip file as `torch.save` has written it since PyTorch 1.6,
            of a state dict or of a dict that holds one under "model" or "state_dict". Tensors of
            reduced precision come as they are; a prefix `module.` is kept.

    Raises:
        InputError: if the file is missing, damaged or holds no state dict.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path} is no file: give a .pt, .pth or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.numpy.load_file(path)
        return _only_tensors(path, _read_torch(path))
    except InputError:
        raise
    except safetensors.SafetensorError as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}") from error
    # Whatever a damaged pickle makes of itself.
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a PyTorch file: {type(error).__name__}: {error}"
        ) from error


def _read_torch(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a zip archive, as torch.save writes since PyTorch 1.6: it is damaged, "
            "or older; load it there and save it again"
        )
    with zipfile.ZipFile(path) as archive:
        name = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
        if name is None:
            raise InputError(f"{path} holds no data.pkl: it was not written by torch.save")
        with archive.open(name) as file:
            return _TensorUnpickler(file, archive, name.removesuffix("data.pkl")).load()


def _only_tensors(path: Path, content: Any) -> dict[str, np.ndarray]:
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds {type(content).__name__} instead of a state dict")
    tensors = {k: v for k, v in content.items() if isinstance(v, np.ndarray)}
    if not tensors:
        raise InputError(
            f"{path} holds no tensors, but {', '.join(map(str, content)) or 'nothing'}"
        )
    return tensors


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


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles containers, numbers and tensors alone."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file, encoding="utf-8")
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if module == "torch" and name in _DTYPES:
            return np.dtype(_DTYPES[name])
        return _Inert

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise InputError(f"tensors of an unknown kind: {kind!r} of {dtype!r}")
        numbers = np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), dtype)
        if len(numbers) < count:
            raise InputError(f"storage {key} holds {len(numbers)} numbers of {count}: cut off")
        return numbers


def _tensor(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> np.ndarray:
    if math.prod(shape) > len(storage):
        raise InputError(f"a tensor of shape {list(shape)} is larger than its storage")
    # Views are made of indices, not of memory: a damaged offset cannot reach beyond the storage.
    index = np.full(shape, offset)
    for axis, (size, step) in enumerate(zip(shape, stride, strict=True)):
        index += (np.arange(size) * step).reshape(-1, *[1] * (len(shape) - axis - 1))
    if index.size and not 0 <= index.min() <= index.max() < len(storage):
        raise InputError(f"a tensor of shape {list(shape)} reaches beyond its storage")
    return np.asarray(storage[index])  # a NumPy scalar otherwise, where there are no axes


def _parameter(data: np.ndarray, *_: Any) -> np.ndarray:
    return data
