"""Files as `torch.save` writes them, made without PyTorch."""

import dataclasses
import io
import pickle
import struct
import zipfile

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001

KINDS = {
    **{"float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16"},
    **{"int64": "Long", "int32": "Int", "uint8": "Byte", "complex64": "ComplexFloat"},
    "void8": "Untyped",
}


@dataclasses.dataclass
class View:
    """A tensor as files describe it, whether or not there is such a one.

    Attributes:
        storage: flat array; or, as no file of PyTorch has it, another view.
        offset: of its first number in the storage.
        shape: of the tensor.
        stride: numbers from one entry to the next along each axis.
        dtype: name of the type, if the storage holds bytes.
    """

    storage: "np.ndarray | View"
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str = ""


def write_torch(path, content, storages, byteorder=None):
    """Writes what `torch.save` writes: a pickle, and the storages beside it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        if byteorder:
            archive.writestr("archive/byteorder", byteorder)
        for key, numbers in storages.items():
            archive.writestr(f"archive/data/{key}", numbers.tobytes())


class _Named:
    """Pickles as the global of another module."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        """Only for the pickler, which asks whether it could be called."""


class _Pickler(pickle._Pickler):
    """The pure Python pickler, taught to write tensors as PyTorch does."""

    dispatch = pickle._Pickler.dispatch.copy()

    def __init__(self, file, view=()):
        super().__init__(file, protocol=2)
        self.storages, self._view = {}, view

    def persistent_id(self, obj):
        if isinstance(obj, tuple) and obj and obj[0] == "storage":
            return obj
        return None

    def save_named(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    dispatch[_Named] = save_named

    def save_array(self, array):
        flat = np.ascontiguousarray(array).reshape(-1)
        stride = tuple(step // flat.itemsize for step in np.array(array, order="C").strides)
        self.save_view(View(flat, 0, array.shape, stride))

    dispatch[np.ndarray] = save_array

    def save_view(self, view):
        storage = view.storage
        if not isinstance(storage, View):
            storage = self._stored(storage)
        args = (storage, view.offset, view.shape, view.stride, False, None)
        if view.dtype:
            args += (_Named("torch", view.dtype),)
        version = 3 if view.dtype else 2
        self.save(_Named("torch._utils", f"_rebuild_tensor_v{version}"))
        self.save(args)
        self.write(pickle.REDUCE)

    dispatch[View] = save_view

    def _stored(self, numbers):
        """Keeps the numbers of a storage; returns what the pickle says of it."""
        key = str(len(self.storages))
        self.storages[key] = numbers
        kind = _Named("torch", f"{KINDS[numbers.dtype.name]}Storage")
        return ("storage", kind, key, "cpu", numbers.size, *self._view)


def save_torch(path, content, byteorder=None):
    """Writes content as `torch.save` does; of bytes in that order, if one is given."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(content)
    storages = pickler.storages
    if byteorder == "big":
        storages = {key: numbers.byteswap() for key, numbers in storages.items()}
    write_torch(path, file.getvalue(), storages, byteorder)
    return path


def save_legacy(path, content, little_endian=True):
    """Writes content as `torch.save` did before PyTorch 1.6."""
    file = io.BytesIO()
    pickler = _Pickler(file, view=(None,))
    pickler.dump(content)
    machine = {"protocol_version": VERSION, "little_endian": little_endian, "type_sizes": {}}
    with path.open("wb") as out:
        for part in (MAGIC, VERSION, machine):
            pickle.dump(part, out, 2)
        out.write(file.getvalue())
        pickle.dump(sorted(pickler.storages), out, 2)
        for _, numbers in sorted(pickler.storages.items()):
            out.write(struct.pack("<q", numbers.size) + numbers.tobytes())
    return path


class Whole:
    """Pickles as an object of a class that nobody else has."""

    def __reduce__(self):
        return _Named("project.nets", "HGRU"), ()


class Trap:
    """Would write a file if it were unpickled as pickles usually are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
