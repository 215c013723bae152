"""Files as `torch.save` writes them, made without PyTorch."""

import io
import pickle
import zipfile

import numpy as np


def write_torch(path, content, storages):
    """Writes what `torch.save` writes: a pickle, and the storages beside it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for key, numbers in storages.items():
            archive.writestr(f"archive/data/{key}", numbers.tobytes())


class _Named:
    """Pickles as the global of another module."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):
    """The pure Python pickler, taught to write tensors as PyTorch does."""

    dispatch = pickle._Pickler.dispatch.copy()

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.storages = {}

    def persistent_id(self, obj):
        if isinstance(obj, tuple) and obj and obj[0] == "storage":
            return obj
        return None

    def save_named(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    dispatch[_Named] = save_named

    def save_array(self, array):
        flat = np.ascontiguousarray(array).reshape(-1)
        key, kinds = str(len(self.storages)), {"f": "Float", "i": "Long", "V": "BFloat16"}
        self.storages[key] = flat
        stride = tuple(step // flat.itemsize for step in np.array(array, order="C").strides)
        kind = _Named("torch", f"{kinds[array.dtype.kind]}Storage")
        storage = ("storage", kind, key, "cpu", flat.size)
        args = (storage, 0, array.shape, stride, False, None)
        self.save(_Named("torch._utils", "_rebuild_tensor_v2"))
        self.save(args)
        self.write(pickle.REDUCE)

    dispatch[np.ndarray] = save_array


def save_torch(path, content):
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(content)
    write_torch(path, file.getvalue(), pickler.storages)
    return path


class Trap:
    """Would write a file if it were unpickled as pickles usually are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
