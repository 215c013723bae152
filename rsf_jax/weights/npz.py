"""Arrays of an `.npz` file, of no more memory than the file has reason to ask for."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from rsf_jax.errors import InputError

# Weights hardly get smaller by compression; what gets so much smaller is none, or does harm.
_MOST_COMPRESSED = 16
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays by name.

    Raises:
        InputError: if an array is no numbers or cut off, or the file would unpack to many times
            its size.
    """
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        size, unpacked = path.stat().st_size, sum(info.file_size for info in infos)
        if unpacked > _MOST_COMPRESSED * size:
            raise InputError(f"it unpacks to {unpacked:,} bytes of {size:,}: save it with np.savez")
        return {
            info.filename.removesuffix(".npy"): _array(info.filename, archive.read(info))
            for info in infos
            if info.filename.endswith(".npy")
        }


def _array(name: str, content: bytes) -> np.ndarray:
    """One array; its header is compared with what is there before memory is taken."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise InputError(f"{name} is of format {version}: save it with np.savez")
    shape, columns_first, dtype = _HEADERS[version](file)
    if dtype.hasobject or not dtype.itemsize:
        raise InputError(f"{name} holds {dtype} instead of numbers")
    start = file.tell()
    if dtype.itemsize * math.prod(shape) != len(content) - start:
        raise InputError(f"{name} says it has shape {list(shape)}, which does not fit: damaged")
    if 0 in shape:
        return np.zeros(shape, dtype)
    array = np.frombuffer(content, dtype, offset=start)
    return array.reshape(shape, order="F" if columns_first else "C")
