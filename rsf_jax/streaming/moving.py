"""Takes streams out of an engine between two ticks, and puts them into one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared
from rsf_jax.models.fingerprint import fingerprint
from rsf_jax.policies import policy_name
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.shown import short
from rsf_jax.streaming.books import Books
from rsf_jax.streaming.shadow import Shadows
from rsf_jax.streaming.slots import Stored
from rsf_jax.streaming.snapshot import Snapshot, StreamState, UnansweredFrame
from rsf_jax.streaming.streams import DROPPED, FrameResult, OnResult, Stream, Waiting
from rsf_jax.streaming.worker import Worker

_GONE = np.zeros(0, np.uint8)


class Mover:
    """Moves streams between an engine and what is kept of them outside.

    Args:
        worker: the engine's.
        books: the engine's.
        stateful: whether frames start from the states that others left.
    """

    def __init__(self, worker: Worker, books: Books, stateful: bool) -> None:
        self._worker, self._books, self._stateful = worker, books, stateful
        self._program, self._turns = worker.program, books.turns
        self._weights: tuple[Any, str] = (None, "")

    def take(self, streams: tuple[Any, ...], remove: bool) -> Snapshot:
        """Returns what is known of streams, of all if there are none; see `StreamEngine`."""
        books = self._books
        with self._worker.alone(), books.lock:
            for stream in streams:
                books.check_moves(stream)
            named = tuple(s for s in books.named if not s.failure)
            chosen = tuple(dict.fromkeys(streams)) or named
            if remove:
                self._rewind(chosen)
            found = self._snapshot(chosen)
            if remove:
                for stream in chosen:
                    books.let_go(stream)
        books.delivery.deliver()
        return found

    def put(
        self,
        snapshot: Snapshot,
        on_result: OnResult | None,
        other_weights: bool,
        other_policy: bool,
    ) -> list[Stream]:
        """Opens the streams of a snapshot; see `StreamEngine.restore`."""
        books = self._books
        with self._worker.alone(), books.lock:
            self._check(snapshot, other_weights, other_policy)
            rows = books.room_for([told.name for told in snapshot.streams])
            # What other weights have made of a frame is not repeated: it is read out anew.
            repeats = books.repeats and snapshot.weights == self._fingerprint()
            streams = [
                self._continued(told, row, on_result, repeats)
                for told, row in zip(snapshot.streams, rows)
            ]
            self._put_states(streams, snapshot)
            books.adopt(streams)
            return streams

    def change(self, prepared: Prepared, policy: StepwisePolicy, shadows: Shadows | None) -> None:
        """Goes on with other weights or another policy; see `StreamEngine`."""
        with self._worker.alone(), self._books.lock:
            self._rewind(tuple(self._turns.held().values()))
            goes_on = self._kind(policy) == self._kind(self._program.policy)
            self._worker.change(prepared, policy, shadows, keeps_memory=goes_on)

    def _snapshot(self, streams: Sequence[Stream]) -> Snapshot:
        frames = self._frames_in_slots()
        pixels = {id(stream): frames[slot] for slot, stream in self._turns.held().items()}
        states = self._program.read(np.array([s.row for s in streams], np.int32))
        return Snapshot(
            model=described(self._program.prepared),
            weights=self._fingerprint(),
            policy=policy_name(self._program.policy),
            policy_kind=self._kind(self._program.policy),
            frame=self._turns.frame,
            stateful=self._stateful,
            streams=tuple(
                _state(stream, _leaves(states, place), pixels.get(id(stream)))
                for place, stream in enumerate(streams)
            ),
        )

    def _rewind(self, streams: Sequence[Stream]) -> None:
        """Takes the frames of streams out of their slots, as if they had not begun."""
        slots = {slot for slot, holder in self._turns.held().items() if holder in streams}
        if not slots:
            return
        frames = self._frames_in_slots()
        mask = np.isin(np.arange(len(frames)), list(slots))
        self._program.vacate(mask)
        for slot in sorted(slots):
            self._turns.rewind(slot, frames[slot])

    def _check(self, snapshot: Snapshot, other_weights: bool, other_policy: bool) -> None:
        """Raises InputError unless the streams of a snapshot can go on here."""
        for name, told, here in (
            ("model", snapshot.model, described(self._program.prepared)),
            ("frame size", snapshot.frame, self._turns.frame),
            ("setting of stateful", snapshot.stateful, self._stateful),
        ):
            if told != here:
                raise InputError(
                    f"the snapshot is of another {name}: {told} there, {here} in this engine"
                )
        if snapshot.weights != self._fingerprint() and not other_weights:
            raise InputError(
                "the snapshot is of other weights: give other_weights=True if its states shall go "
                "on under this engine's"
            )
        if snapshot.policy != policy_name(self._program.policy) and not other_policy:
            raise InputError(
                f"the snapshot is of policy {snapshot.policy}, this engine has "
                f"{policy_name(self._program.policy)}: give other_policy=True if its streams "
                "shall go on under that"
            )
        for stream in snapshot.streams:
            self._check_arrays(stream, snapshot)

    def _continued(
        self, told: StreamState, row: int, on_result: OnResult | None, repeats: bool
    ) -> Stream:
        stream = Stream(
            told.name,
            row,
            None,
            told.budget,
            told.when_full,
            on_result,
            told.priority,
            told.keep_frames,
        )
        stream.closed, stream.submitted = told.closed, told.submitted
        stream.begins, stream.begun = told.begins, told.begun
        if repeats and told.outputs is not None:
            stream.outputs = jax.tree.unflatten(
                jax.tree.structure(self._program.outputs()), told.outputs
            )
        stream.go_on(frames_of(told, self._books.clock()), dropped_of(told))
        return stream

    def _put_states(self, streams: Sequence[Stream], snapshot: Snapshot) -> None:
        if not streams:
            return
        fresh = self._program.fresh()
        goes_on = self._keeps_memory(snapshot)
        carries = [told.carry for told in snapshot.streams]
        memories = [told.memory if goes_on else _leaves(fresh, 0)[1] for told in snapshot.streams]
        states = Stored(_joined(fresh.carry, carries), _joined(fresh.memory, memories))
        self._program.write(np.array([s.row for s in streams], np.int32), states)

    def _keeps_memory(self, snapshot: Snapshot) -> bool:
        return snapshot.policy_kind == self._kind(self._program.policy)

    def _kind(self, policy: StepwisePolicy) -> str:
        """Classes of a policy, and shapes and types of what it carries."""
        memory = jax.tree.leaves(self._program.shapes(policy).memory)
        return " ".join([_classes(policy), *(short(x) for x in memory)])

    def _check_arrays(self, told: StreamState, snapshot: Snapshot) -> None:
        what = f"stream {told.name!r} of the snapshot"
        wanted = self._program.shapes(self._program.policy)
        _check_like(told.carry, wanted.carry, f"{what}: its state")
        if self._keeps_memory(snapshot):
            _check_like(told.memory, wanted.memory, f"{what}: what its policy carries")
        if told.outputs is not None:
            _check_like(told.outputs, self._program.outputs(), f"{what}: its last output")
        for frame in told.frames:
            sound = frame.frame.dtype in (np.uint8, np.float32)
            if not frame.dropped and not (sound and frame.frame.shape == self._turns.frame):
                raise InputError(f"{what}: its frame {frame.index} is of another size or type")

    def _frames_in_slots(self) -> np.ndarray:
        return jax.device_get(self._program.slots.frame) if self._turns.held() else _GONE

    def _fingerprint(self) -> str:
        """SHA-256 of the variables, once for each."""
        variables, found = self._weights
        if variables is not self._program.prepared.variables:
            variables = self._program.prepared.variables
            found = fingerprint(variables)
            self._weights = (variables, found)
        return found


def described(prepared: Prepared) -> str:
    """Returns what a model is, in words: those of two differ if one is no other's."""
    model = prepared.model
    fields = (f.name for f in dataclasses.fields(model) if f.name not in ("parent", "name"))
    told = ", ".join(f"{name}={_written(getattr(model, name))}" for name in fields)
    return " ".join(f"{type(model).__name__}({told})".split())


def _written(value: Any) -> str:
    """A value, or a function by its name: where it lies in memory is another in each process."""
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def _classes(policy: Any) -> str:
    """The names of the classes of a policy and of those inside."""
    inner = getattr(policy, "inner", None)
    return type(policy).__name__ + ("" if inner is None else f"+{_classes(inner)}")


def frames_of(told: StreamState, now: float) -> list[Waiting]:
    """Returns the frames of a stream that are to be computed; their time begins anew."""
    return [
        Waiting(
            frame.index,
            frame.frame,
            now,
            None if told.budget is None else now + told.budget,
            frame.first,
            tag=frame.tag,
            time=frame.time,
        )
        for frame in told.frames
        if not frame.dropped
    ]


def dropped_of(told: StreamState) -> list[FrameResult]:
    """Returns results that come after those of frames before them."""
    return [
        FrameResult(
            told.name, f.index, DROPPED, None, 0, 0.0, f.dropped, f.tag, f.time, None, False
        )
        for f in told.frames
        if f.dropped
    ]


def _state(
    stream: Stream, kept: tuple[list[np.ndarray], list[np.ndarray]], at_work: np.ndarray | None
) -> StreamState:
    frames = [
        UnansweredFrame(w.index, np.array(stream.pixels_of(w, at_work)), w.first, w.tag, w.time)
        for w in stream.unanswered
    ]
    frames += [UnansweredFrame(r.index, _GONE, False, r.tag, r.time, r.reason) for r in stream.held]
    outputs = stream.outputs
    return StreamState(
        name=stream.name,
        budget=stream.budget,
        when_full=stream.when_full,
        priority=stream.priority,
        keep_frames=stream.keeps_frames,
        closed=stream.closed,
        submitted=stream.submitted,
        begins=stream.begins,
        begun=stream.begun,
        carry=kept[0],
        memory=kept[1],
        outputs=None if outputs is None else [np.array(x) for x in jax.tree.leaves(outputs)],
        frames=sorted(frames, key=lambda frame: frame.index),
    )


def _leaves(states: Stored, row: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Carry and memory of one row, arrays without the axis of rows."""
    carry, memory = (jax.tree.leaves(tree) for tree in states)
    return [np.array(x[row]) for x in carry], [np.array(x[row]) for x in memory]


def _joined(like: Any, rows: list[list[np.ndarray]]) -> Any:
    """Arrays of several rows in the structure of those of one."""
    leaves = [np.stack(column) for column in zip(*rows)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _check_like(given: list[np.ndarray], wanted: Any, what: str) -> None:
    """Raises InputError unless arrays have shapes and types of others."""
    found, expected = ([_kind_of(x) for x in jax.tree.leaves(tree)] for tree in (given, wanted))
    if found != expected:
        raise InputError(f"{what} is {found}, this engine's are {expected}")


def _kind_of(x: Any) -> str:
    """Type and shape of an array; of a single number too, whose value `short` would tell."""
    return short(jax.ShapeDtypeStruct(x.shape, x.dtype))
