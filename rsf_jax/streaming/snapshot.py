"""Streams outside of an engine: what is kept of them, in a file or on its way to another engine."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from rsf_jax.errors import InputError
from rsf_jax.json_files import write_bytes
from rsf_jax.paths import disk_errors, expand
from rsf_jax.shown import in_a_line

VERSION = 1  # of the files
_KEY = "rsf_jax.streams"  # of the metadata, which has the JSON
_MOST_BYTES = 2**34  # of a file
_TAGS = (str, int, float, bool, type(None))


@dataclasses.dataclass(frozen=True)
class UnansweredFrame:
    """A frame whose result has not come yet.

    Attributes:
        index: its number in the stream.
        frame: uint8 or float32 [H, W, I]; empty for one that was dropped.
        first: whether it begins a video.
        tag: what was given to `submit` with it.
        time: when it was submitted, seconds since 1970 in UTC.
        dropped: why it was dropped; empty if it was not, and is still to be computed.
    """

    __repr__ = in_a_line

    index: int
    frame: np.ndarray
    first: bool
    tag: Any
    time: float
    dropped: str = ""


@dataclasses.dataclass(frozen=True)
class StreamState:
    """All that is known of one stream.

    Attributes:
        name: as in its results.
        budget, when_full, priority, keep_frames: as for `StreamEngine.open`.
        closed: whether it takes no more frames.
        submitted: frames taken so far.
        begins: whether the next frame that is submitted begins a video.
        begun: whether a frame has begun, so that there is a state of it.
        carry: the model's state after the last frame that has ended, a list of arrays.
        memory: what the policy carries, a list of arrays.
        outputs: of the last frame, for those that repeat it, a list of arrays; None without.
        frames: those without a result, in order.
    """

    __repr__ = in_a_line

    name: str
    budget: float | None
    when_full: str
    priority: int
    keep_frames: bool
    closed: bool
    submitted: int
    begins: bool
    begun: bool
    carry: list[np.ndarray]
    memory: list[np.ndarray]
    outputs: list[np.ndarray] | None
    frames: list[UnansweredFrame]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Streams of an engine at one moment, between two of its ticks.

    `StreamEngine.snapshot` makes it, `StreamEngine.restore` takes it. It is the same whatever
    becomes of the engine.

    Attributes:
        model: what the model is, in words; an engine of another does not take it.
        weights: SHA-256 of the variables.
        policy: its text.
        policy_kind: what decides whether the memories of two policies mean the same.
        frame: (height, width, channels) of the frames.
        stateful: whether frames start from the states that others left.
        streams: what is known of each.
        notes: what a program keeps with them, as JSON has it; the engine reads none.
    """

    __repr__ = in_a_line

    model: str
    weights: str
    policy: str
    policy_kind: str
    frame: tuple[int, int, int]
    stateful: bool
    streams: tuple[StreamState, ...]
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Returns it as a file of safetensors, whose metadata have the rest as JSON.

        Raises:
            InputError: if a tag is none that JSON has.
        """
        tensors: dict[str, np.ndarray] = {}
        about = {field: getattr(self, field) for field in _ABOUT}
        about |= {"version": VERSION, "streams": [_told(s, tensors) for s in self.streams]}
        about["notes"], about["kinds"] = dict(self.notes), _made_plain(tensors)
        text = json.dumps(about, allow_nan=False)
        # Safetensors themselves have no checksum: a flipped bit would be another state.
        metadata = {_KEY: text, "sha256": _checksum(text, tensors)}
        return save_tensors(tensors, metadata)

    def save(self, path: str | Path) -> Path:
        """Writes a file; who reads it meanwhile finds it as it was.

        Raises:
            InputError: as `to_bytes`, or if it cannot be written there.
        """
        path = expand(path)
        with disk_errors(path):
            write_bytes(path, self.to_bytes())
        return path

    @classmethod
    def from_bytes(cls, content: bytes) -> "Snapshot":
        """Returns what `to_bytes` was called of.

        Raises:
            InputError: if that is damaged, of another version, or something else.
        """
        text, tensors = _checked(content)
        about = _parsed(text)
        try:
            # Files of earlier versions have none.
            for name, kind in about.get("kinds", {}).items():
                tensors[name] = tensors[name].view(jnp.dtype(kind))
            streams = tuple(_stream(told, tensors) for told in about["streams"])
            values = {field: about[field] for field in _ABOUT}
            values["frame"] = tuple(values["frame"])
            return cls(**values, streams=streams, notes=dict(about.get("notes", {})))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is no snapshot of streams: {error!r} in its JSON") from None

    @classmethod
    def load(cls, path: str | Path) -> "Snapshot":
        """Returns what `save` has written.

        Raises:
            InputError: as `from_bytes`, or if there is no such file.
        """
        path = expand(path)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise InputError(f"{path}: it is larger than {_MOST_BYTES} bytes")
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        try:
            return cls.from_bytes(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


_ABOUT = ("model", "weights", "policy", "policy_kind", "frame", "stateful")
_PLAIN = (
    *("name", "budget", "when_full", "priority", "keep_frames"),
    *("closed", "submitted", "begins", "begun"),
)


def _told(stream: StreamState, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """What JSON says of a stream; its arrays are added to the tensors."""

    def put(array: np.ndarray) -> str:
        name = f"{len(tensors):06d}"
        # `np.ascontiguousarray` would give a single number an axis.
        tensors[name] = np.asarray(array, order="C")
        return name

    frames = []
    for f in stream.frames:
        if not isinstance(f.tag, _TAGS) or (isinstance(f.tag, float) and not math.isfinite(f.tag)):
            raise InputError(
                f"the tag of frame {f.index} of stream {stream.name!r} is {f.tag!r}: a file holds "
                "texts, numbers, booleans and None"
            )
        told = {"index": f.index, "first": f.first, "tag": f.tag, "time": f.time}
        frames.append(told | {"dropped": f.dropped, "frame": put(f.frame)})
    return {
        **{name: getattr(stream, name) for name in _PLAIN},
        "carry": [put(x) for x in stream.carry],
        "memory": [put(x) for x in stream.memory],
        "outputs": None if stream.outputs is None else [put(x) for x in stream.outputs],
        "frames": frames,
    }


def _stream(told: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> StreamState:
    def taken(names: list[str]) -> list[np.ndarray]:
        return [tensors[name] for name in names]

    frames = [UnansweredFrame(**{**f, "frame": tensors[f["frame"]]}) for f in told["frames"]]
    return StreamState(
        **{name: told[name] for name in _PLAIN},
        carry=taken(told["carry"]),
        memory=taken(told["memory"]),
        outputs=None if told["outputs"] is None else taken(told["outputs"]),
        frames=frames,
    )


def _made_plain(tensors: dict[str, np.ndarray]) -> dict[str, str]:
    """Makes integers of the numbers that NumPy itself has no kind for; returns which they were."""
    found = {name: x.dtype.name for name, x in tensors.items() if x.dtype.kind == "V"}
    for name in found:
        tensors[name] = tensors[name].view(f"u{tensors[name].dtype.itemsize}")
    return found


def _checksum(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _checked(content: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """The JSON and the tensors of a file that is whole."""
    try:
        tensors = load_tensors(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise InputError(f"this is no file of safetensors, or damaged: {error}") from None
    if _KEY not in metadata:
        raise InputError("this is no snapshot of streams: StreamEngine.snapshot makes them")
    text = metadata[_KEY]
    if _checksum(text, tensors) != metadata.get("sha256"):
        raise InputError("the snapshot is damaged: its checksum is another")
    return text, tensors


def _parsed(text: str) -> dict[str, Any]:
    about = json.loads(text)
    version = about.get("version") if isinstance(about, dict) else None
    if version != VERSION:
        raise InputError(
            f"the snapshot is of version {version}: this version of the library reads {VERSION}"
        )
    return about
