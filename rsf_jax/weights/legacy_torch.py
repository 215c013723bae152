"""Files of `torch.save` before PyTorch 1.6: pickles one behind the other, then the numbers.

The pickles are a magic number, a version, facts of the machine, the content, and the keys of its
storages. Then each storage follows, in that order: its length in elements, int64, and its numbers.
"""

import io
import pickletools
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.weights.torch_pickles import storages_of, unpickle

_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # 0x1950a86a20f9469cfc6c
_VERSION = 1001
_PICKLES = 5


class _Laid:
    """Storages by key, laid behind the pickles of a file."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays

    def storage(self, key: str, dtype: Any) -> np.ndarray:
        """Returns the numbers [n] of one storage."""
        if key not in self._arrays:
            raise InputError(f"it lacks the numbers of storage {key}")
        return self._arrays[key]


def is_legacy(content: bytes) -> bool:
    """Whether a file begins as they do."""
    return _MAGIC in content[:32]


def read(content: bytes) -> Any:
    """Returns what a whole file holds.

    Raises:
        InputError: if it is damaged, or of a machine with another order of bytes.
    """
    parts, place = _pickles(content)
    nothing = _Laid({})
    version, machine = unpickle(parts[1], nothing), unpickle(parts[2], nothing)
    if version != _VERSION:
        raise InputError(f"it is not of format {_VERSION}: save it again")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise InputError("its bytes are in the order of another machine: save it again on a PC")
    keys = unpickle(parts[4], nothing)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError("the list of its storages is damaged")
    return unpickle(parts[3], _lay(content, place, keys, storages_of(parts[3])))


def _pickles(content: bytes) -> tuple[list[bytes], int]:
    """The pickles in front, and where they end. Nothing in them is run."""
    file, parts = io.BytesIO(content), []
    for _ in range(_PICKLES):
        start = file.tell()
        for _operation in pickletools.genops(file):
            pass
        parts.append(content[start : file.tell()])
    return parts, file.tell()


def _lay(
    content: bytes, place: int, keys: list[str], storages: dict[str, tuple[Any, int]]
) -> _Laid:
    arrays = {}
    for key in keys:
        if key not in storages:
            raise InputError(f"nothing says of what type storage {key} is")
        dtype, wanted = storages[key]
        if len(content) < place + 8:
            raise InputError(f"it ends in front of storage {key}: cut off")
        (count,) = struct.unpack_from("<q", content, place)
        end = place + 8 + count * np.dtype(dtype).itemsize
        if count != wanted or not place < end <= len(content):
            raise InputError(f"storage {key} has {count} numbers of {wanted}, or is cut off")
        arrays[key] = np.frombuffer(content, dtype, count, place + 8)
        place = end
    return _Laid(arrays)
