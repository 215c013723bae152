"""Files of weights that were changed at random, and pickles that were made to do harm."""

import io
import json
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from bad_cases import check_message
from torch_files import MAGIC, VERSION, Trap, View, save_legacy, save_torch, write_torch

import rsf_jax as rsf
from rsf_jax.weights.state_dicts import read_state_dict

TENSORS = {
    "unit1.w_gate_inh": np.arange(36, dtype=np.float32).reshape(2, 2, 3, 3),
    "unit1.alpha": np.ones((2, 1, 1), np.float32),
    "bn0.num_batches_tracked": np.array(7),
}
ROUNDS = 150
# Beside what a file holds: for the reader itself.
SPARE = 4 << 20


def _read(path):
    """Returns the tensors or None; checks the message, and the memory that was taken."""
    tracemalloc.start()
    try:
        return read_state_dict(path)
    except rsf.InputError as error:
        check_message(str(error).replace(str(path), path.name), path.name)
        _check_names(str(error))
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20 * path.stat().st_size + SPARE, peak


def _check_names(message):
    """Nothing is called by the name that it has in the reader."""
    assert not re.search(r"\b_(Inert|Maker|Tensor|Storage)|\b_tensor\(|rsf_jax", message), message


def _check_arrays(found, size):
    for name, array in found.items():
        assert isinstance(name, str)
        assert isinstance(array, np.ndarray)
        assert array.nbytes <= size
        array.copy()  # reads all of it


def _mutate(rng, content):
    """Cuts, flips, splices, repeats or overwrites a part of a file."""
    content, size = bytearray(content), len(content)
    at, other = sorted(rng.integers(0, size, 2))
    kind = rng.integers(6)
    if kind == 0:
        del content[at:]
    elif kind == 1:
        for place in rng.integers(0, size, rng.integers(1, 9)):
            content[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        length = min(int(rng.integers(1, 64)), size - int(other))
        content[at : at + length] = content[other : other + length]
    elif kind == 3:
        del content[at : at + int(rng.integers(1, 64))]
    elif kind == 4:
        content[at:at] = content[other : other + int(rng.integers(1, 64))]
    else:
        extreme = rng.choice([2**63, 2**62, 2**40, 2**31, 2**24, 0], 1).astype(np.uint64)
        content[at : at + 8] = extreme.tobytes()
    return bytes(content)


def test_changed_torch_files_give_the_tensors_or_one_line(tmp_path):
    rng = np.random.default_rng(0)
    content = save_torch(tmp_path / "whole.pt", {"model": TENSORS}).read_bytes()
    path, outcomes = tmp_path / "changed.pt", set()
    for _ in range(ROUNDS):
        path.write_bytes(_mutate(rng, content))
        found = _read(path)
        outcomes.add(found is None)
        if found is not None:  # the checksums of the archive hold
            assert found.keys() == TENSORS.keys()
            for name, tensor in TENSORS.items():
                np.testing.assert_array_equal(found[name], tensor)
    assert outcomes == {True, False}


def test_changed_pickles_give_arrays_or_one_line(tmp_path):
    rng = np.random.default_rng(1)
    with zipfile.ZipFile(save_torch(tmp_path / "whole.pt", {"model": TENSORS})) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    path, outcomes = tmp_path / "changed.pt", set()
    storages = {
        n.removeprefix("archive/data/"): np.frombuffer(c, np.uint8) for n, c in parts.items()
    }
    content = parts["archive/data.pkl"]
    del storages["archive/data.pkl"]
    for _ in range(2 * ROUNDS):
        write_torch(path, _mutate(rng, content), storages)
        found = _read(path)
        outcomes.add(found is None)
        if found is not None:
            _check_arrays(found, path.stat().st_size)
    assert outcomes == {True, False}


def test_changed_safetensors_give_arrays_or_one_line(tmp_path):
    rng = np.random.default_rng(2)
    path, outcomes = tmp_path / "changed.safetensors", set()
    safetensors.numpy.save_file(TENSORS, path)
    content = path.read_bytes()
    for i in range(2 * ROUNDS):
        # Half of them in the header, where the lengths are.
        part = len(content) if i % 2 else content.index(b"}}") + 2
        path.write_bytes(_mutate(rng, content[:part]) + content[part:])
        found = _read(path)
        outcomes.add(found is None)
        if found is not None:
            _check_arrays(found, path.stat().st_size)
    assert outcomes == {True, False}


def _check_changed(path, content, rng, rounds):
    """Changes a file at random: it must give arrays or one line, and both must occur."""
    outcomes = set()
    for _ in range(rounds):
        path.write_bytes(_mutate(rng, content))
        found = _read(path)
        outcomes.add(found is None)
        if found is not None:
            _check_arrays(found, path.stat().st_size)
    assert outcomes == {True, False}


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_changed_npz_files_give_arrays_or_one_line(tmp_path, write):
    rng = np.random.default_rng(3)
    write(tmp_path / "whole.npz", **TENSORS)
    assert _read(tmp_path / "whole.npz").keys() == TENSORS.keys()
    _check_changed(tmp_path / "w.npz", (tmp_path / "whole.npz").read_bytes(), rng, ROUNDS)


def test_changed_headers_of_npz_files_give_arrays_or_one_line(tmp_path):
    """Behind checksums that hold."""
    rng = np.random.default_rng(4)
    file = io.BytesIO()
    np.save(file, TENSORS["unit1.w_gate_inh"])
    outcomes = set()
    for _ in range(2 * ROUNDS):
        header = _mutate(rng, file.getvalue()[:128])
        with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
            archive.writestr("w.npy", header + file.getvalue()[128:])
        found = _read(tmp_path / "w.npz")
        outcomes.add(found is None)
        if found is not None:
            _check_arrays(found, (tmp_path / "w.npz").stat().st_size)
    assert True in outcomes


def test_changed_legacy_files_give_arrays_or_one_line(tmp_path):
    rng = np.random.default_rng(5)
    content = save_legacy(tmp_path / "whole.pt", {"model": TENSORS}).read_bytes()
    _check_changed(tmp_path / "w.pt", content, rng, 4 * ROUNDS)


def test_changed_indices_of_shards_give_arrays_or_one_line(tmp_path):
    rng = np.random.default_rng(6)
    safetensors.numpy.save_file(TENSORS, tmp_path / "a.safetensors")
    index = json.dumps({"weight_map": dict.fromkeys(TENSORS, "a.safetensors")}).encode()
    path, outcomes = tmp_path / "w.index.json", set()
    for changed in (index, *(_mutate(rng, index) for _ in range(ROUNDS))):
        path.write_bytes(changed)
        outcomes.add(_read(path) is None)
    assert outcomes == {True, False}


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "w.index.json", "..", 3, ""])
def test_shards_lie_beside_their_index(tmp_path, name):
    (tmp_path / "sub").mkdir()
    safetensors.numpy.save_file(TENSORS, tmp_path / "a.safetensors")
    path = tmp_path / "sub" / "w.index.json"
    path.write_text(json.dumps({"weight_map": {"unit1.alpha": name}}))
    assert _read(path) is None


def test_archives_that_unpack_to_much_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", w=np.zeros(8_000_000, np.float32))
    assert _read(tmp_path / "w.npz") is None


def test_python_objects_in_npz_files_are_refused(tmp_path):
    marker = tmp_path / "marker"
    np.savez(tmp_path / "w.npz", w=np.array([Trap(marker)], object))
    assert _read(tmp_path / "w.npz") is None
    assert not marker.exists()


def test_containers_in_each_other_are_looked_at_once(tmp_path):
    """Each holds the next one twice: 2^30 ways lead to the last."""
    inner = {"w": np.ones(2, np.float32)}
    for _ in range(30):
        inner = {"a": inner, "b": inner}
    loop = {"conv0.weight": np.ones((1, 1, 7, 7), np.float32)}
    loop["self"] = loop
    for content in (inner, loop):
        assert len(_read(save_torch(tmp_path / "w.pt", content))) == 1


def _global(name):
    return b"c" + name.replace(" ", "\n").encode() + b"\n"


# Each would write a file, were its names what they say.
CALLS = {
    "a reduced object": lambda path: pickle.dumps({"w": Trap(path)}, 2),
    "a global": lambda path: (
        _global("builtins open") + b"(X" + _text(path) + b"X" + _text("w") + b"tR."
    ),
    "an instance": lambda path: b"(X" + _text(path) + b"X" + _text("w") + b"ibuiltins\nopen\n.",
    "an object": lambda path: (
        b"(" + _global("builtins open") + b"X" + _text(path) + b"X" + _text("w") + b"o."
    ),
    "a new object": lambda path: _global("pathlib Path") + b"X" + _text(path) + b"\x85\x81.",
    "a global from the stack": lambda path: (
        b"\x80\x04X"
        + _text("builtins")
        + b"X"
        + _text("open")
        + b"\x93X"
        + _text(path)
        + b"X"
        + _text("w")
        + b"\x86R."
    ),
    "code": lambda path: (
        _global("builtins exec") + b"X" + _text(f"open({str(path)!r}, 'w')") + b"\x85R."
    ),
    "a command": lambda path: _global("os system") + b"X" + _text(f"touch {path}") + b"\x85R.",
    "an extension": lambda path: b"\x80\x02\x82\x01.",
}


def _text(text):
    data = str(text).encode()
    return struct.pack("<I", len(data)) + data


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("legacy", [False, True])
def test_no_pickle_runs_anything(tmp_path, make, legacy):
    marker, path = tmp_path / "marker", tmp_path / "w.pt"
    content = make(marker)
    if legacy:  # in the place of each of the pickles
        whole = save_legacy(path, {}).read_bytes()
        for part in (pickle.dumps(MAGIC, 2), pickle.dumps(VERSION, 2), b"}q\x00."):
            path.write_bytes(whole.replace(part, part[:-1] + b"0" + content, 1))
            assert _read(path) is None
            assert not marker.exists()
    write_torch(path, content, {})
    assert _read(path) is None
    assert not marker.exists()


REBUILD = _global("torch._utils _rebuild_tensor_v2")
# For a function that lacks its last argument: (1,).
STATE = b"N}X" + _text("__defaults__") + b"K\x01\x85\x85s\x86b"
DAMAGES = {
    # A table of so many places, all but one of them empty.
    "a memo beyond all bounds": b"\x80\x02K\x01r\xff\xff\xff\x0f.",
    "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "text that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "a frame that is not there": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}.",
    "a hundred thousand marks": b"\x80\x02" + b"(" * 100_000 + b".",
    "a hundred thousand tuples": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "a name with new lines": b"\x80\x02}X" + _text("a\nb") + b"K\x01s.",
    "names without end": pickle.dumps({"x" * 100 + str(i): 0 for i in range(1000)}, 2),
    "state for a function": b"\x80\x02" + REBUILD + STATE + b".",
    "a number for a dict": b"\x80\x02K\x01.",
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_pickles_that_do_harm_are_refused(tmp_path, content):
    write_torch(tmp_path / "w.pt", content, {})
    assert _read(tmp_path / "w.pt") is None
    whole = read_state_dict(save_torch(tmp_path / "whole.pt", TENSORS))
    np.testing.assert_array_equal(whole["unit1.alpha"], TENSORS["unit1.alpha"])


@pytest.mark.parametrize(
    ("shape", "stride"),
    [((0, 2**40), (1, 1)), ((2**40,), (0,)), ((-1,), (1,)), ((2,), (-1,)), ((2, 2), (1,))],
)
def test_shapes_take_no_more_memory_than_the_file(tmp_path, shape, stride):
    tensor = View(np.arange(8, dtype=np.float32), 0, shape, stride)
    found = _read(save_torch(tmp_path / "w.pt", {"w": tensor}))
    assert (found is None) == (shape != (0, 2**40))
    assert found is None or found["w"].shape == shape


def test_a_tensor_is_no_storage_for_others(tmp_path):
    """Its length may be more than it holds: here its last two numbers, four times."""
    path, storage = tmp_path / "w.pt", np.arange(8, dtype=np.float32)
    for tensor in (View(storage, 6, (4, 2), (0, 1)), View(storage, 7, (8,), (0,))):
        assert read_state_dict(save_torch(path, {"w": tensor}))["w"].shape == tensor.shape
        with pytest.raises(rsf.InputError, match="another tensor instead of a storage"):
            read_state_dict(save_torch(path, {"w": View(tensor, 0, (4,), (1,))}))


def test_bytes_alone_hold_as_many_numbers_as_fit(tmp_path):
    path, storage = tmp_path / "w.pt", np.zeros(7, "V1")
    read = read_state_dict(save_torch(path, {"w": View(storage, 0, (3,), (1,), "uint16")}))["w"]
    assert (read.dtype, read.tolist()) == (np.uint16, [0, 0, 0])
    with pytest.raises(rsf.InputError, match="is larger than its storage"):
        read_state_dict(save_torch(path, {"w": View(storage, 0, (4,), (1,), "uint16")}))


def test_compressed_entries_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(30_000_000))
    assert _read(tmp_path / "w.pt") is None


def _storage(count):
    """Of so many float32, in the file `0`."""
    kind = b"(X" + _text("storage") + _global("torch FloatStorage")
    return kind + b"X" + _text("0") + b"X" + _text("cpu") + b"J" + struct.pack("<i", count) + b"tQ"


# As users run it: functions that check types would not be changed themselves.
READ = """
import sys
from rsf_jax import InputError
from rsf_jax.weights.state_dicts import read_state_dict
for path in sys.argv[1:]:
    try:
        print(*read_state_dict(path))
    except InputError:
        print("refused")
"""


def test_no_pickle_changes_how_the_next_is_read(tmp_path):
    """Not even by an argument that a function would take where it is left out."""
    tensor = REBUILD + b"(" + _storage(2) + b"K\x00K\x02\x85"
    contents = {
        "changes": DAMAGES["state for a function"],
        "whole": b"\x80\x02}X" + _text("w") + tensor + b"K\x01\x85tRs.",
        "lacks its stride": b"\x80\x02}X" + _text("w") + tensor + b"tRs.",
    }
    for name, content in contents.items():
        write_torch(tmp_path / name, content, {"0": np.arange(2, dtype=np.float32)})
    paths = [str(tmp_path / name) for name in contents]
    done = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True)
    assert done.stdout.split() == ["refused", "w", "refused"], done.stderr


def test_tensors_that_share_a_storage_are_in_memory_once(tmp_path):
    count = struct.pack("<i", 100_000)
    tensor = REBUILD + b"(" + _storage(100_000) + b"K\x00J" + count + b"\x85K\x01\x85tR"
    pairs = b"".join(b"X" + _text(f"w{i}") + tensor for i in range(100))
    numbers = np.arange(100_000, dtype=np.float32)
    write_torch(tmp_path / "w.pt", b"\x80\x02}(" + pairs + b"u.", {"0": numbers})
    found = _read(tmp_path / "w.pt")
    assert len(found) == 100
    np.testing.assert_array_equal(found["w99"], numbers)
