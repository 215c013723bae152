"""What a tick computes: frames begin, slots make steps and are refilled, what has ended is read."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.models.base import Prepared
from rsf_jax.ops.select import select
from rsf_jax.policies.base import Recurrence, StepwisePolicy
from rsf_jax.streaming.slots import NO_ENTRY, Ended, Load, Look, Slots, Stored
from rsf_jax.typing import Array, Carry, Drive

Transform = Callable[[Array], Any]

# Frames that begin, and are read out, together. One by one took a third of a tick at 36x36 pixels;
# all at once does it for slots that do not need it. See docs/decisions/0020-streaming.md.
_TOGETHER = 4
# Recurrent steps of a tick, at most, while frames wait for slots: the host looks again after them.
_LONGEST = 32


class _Left(NamedTuple):
    """What entries leave that have ended, E of them."""

    ended: Array
    cut: Array
    steps: Array
    first: Array
    row: Array
    kept: Stored


class _Loop(NamedTuple):
    """What changes in the course of a tick: slots, what has ended, and counts."""

    slots: Slots
    left: _Left
    taken: Array
    executed: Array
    useful: Array


@dataclasses.dataclass(frozen=True)
class Tick:
    """The traced functions of a tick.

    Attributes:
        slots: frames computed together, S; as many may begin in a tick, Q.
        steps: recurrent steps of a tick in which no frame waits for a slot.
        stateful: start a frame from the state its predecessor left.
        transform: what is made of logits [B, H, W, K] on the device.
    """

    slots: int
    steps: int
    stateful: bool
    transform: Transform

    def fresh(self, prepared: Prepared, policy: StepwisePolicy, count: int) -> Stored:
        """Returns the states of streams before their first frames."""
        memory = policy.init_memory(_no_frames(prepared, count))
        return Stored(prepared.initial_carry(count), memory)

    def empty(self, prepared: Prepared, policy: StepwisePolicy) -> Slots:
        """Returns slots without frames."""
        frame = _no_frames(prepared, self.slots)
        carry, memory = self.fresh(prepared, policy, self.slots)
        drive = prepared.drive(frame)
        recurrence = _recurrence(prepared, frame, drive, carry, carry)
        decision = policy.init_state(policy.observe(recurrence, carry))
        none, zeros = jnp.zeros(self.slots, bool), jnp.zeros(self.slots, jnp.int32)
        entry = jnp.full(self.slots, NO_ENTRY, jnp.int32)
        return Slots(frame, carry, drive, memory, decision, zeros, none, none, zeros, entry)

    def no_outputs(self, prepared: Prepared, carry: Carry) -> Any:
        """Returns zeros in place of the transformed logits of states."""
        shapes = jax.eval_shape(lambda: self.transform(prepared.readout(carry)))
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def advance(
        self, prepared: Prepared, policy: StepwisePolicy, store: Stored, slots: Slots, load: Load
    ) -> tuple[Stored, Slots, Ended]:
        """Returns states and slots after a tick, and what is for the host."""
        new = self._begin(prepared, policy, store, slots, load)
        entry = jnp.where(slots.active, jnp.arange(self.slots, dtype=jnp.int32), NO_ENTRY)
        zero = jnp.int32(0)
        loop = _Loop(
            dataclasses.replace(slots, entry=entry), self._nothing_left(slots), zero, zero, zero
        )

        def goes_on(loop: _Loop) -> Array:
            more = (loop.taken < load.count) & (loop.executed < _LONGEST)
            return _holds(loop.slots).any() & ((loop.executed < self.steps) | more)

        def body(loop: _Loop) -> _Loop:
            useful = loop.useful + loop.slots.active.sum(dtype=jnp.int32)
            slots = self._step(prepared, policy, loop.slots)
            loop = loop._replace(slots=slots, executed=loop.executed + 1, useful=useful)
            return self._refill(self._take_out(loop), new, load)

        loop = lax.while_loop(goes_on, body, self._refill(loop, new, load))
        loop = self._take_out(self._cut(loop, load))
        store, finite, outputs = self._read_out(prepared, store, loop.left)
        left = loop.left
        return (
            store,
            loop.slots,
            Ended(
                left.ended,
                left.steps,
                left.cut,
                left.first,
                finite,
                outputs,
                loop.slots.entry,
                loop.executed,
                loop.useful,
            ),
        )

    def look(
        self, prepared: Prepared, policy: StepwisePolicy, carry: Carry, memory: Any, look: Look
    ) -> tuple[Any, Array]:
        """Asks a policy about frames that are no stream's first, before they get slots."""
        last, mine = jax.tree.map(lambda x: x.at[look.row].get(mode="clip"), (carry, memory))
        fresh = prepared.initial_carry(len(look.row))
        start = prepared.model.resume(last) if self.stateful else fresh
        # The drive is not computed unless the policy takes a step to decide.
        drive = prepared.drive(look.frames)
        recurrence = _recurrence(prepared, look.frames, drive, start, fresh, last)
        begun = policy.begin(recurrence, jnp.zeros(len(look.row), bool), mine)
        _, active = recurrence.begin(begun)
        # What gets a step is begun in its slot, from what is carried now.
        kept = select(active, mine, begun.memory)
        memory = jax.tree.map(lambda x, new: x.at[look.row].set(new, mode="drop"), memory, kept)
        return memory, ~active

    def _begin(
        self, prepared: Prepared, policy: StepwisePolicy, store: Stored, slots: Slots, load: Load
    ) -> Slots:
        """Returns the new frames, Q of them, as they enter slots."""
        together = _together(self.slots)

        def group(i: Array, new: Slots) -> Slots:
            place = i * together
            frames, row, first = _rows((load.frames, load.row, load.first), place, together)
            mine = load._replace(frames=frames, row=row, first=first)
            begun = self._begun(prepared, policy, store, mine, self.slots + place)
            return _set_rows(new, place, begun)

        # What is there is overwritten.
        groups = (load.count + together - 1) // together
        return lax.fori_loop(0, groups, group, slots)

    def _begun(
        self, prepared: Prepared, policy: StepwisePolicy, store: Stored, load: Load, entry: Array
    ) -> Slots:
        count = len(load.row)
        fresh = self.fresh(prepared, policy, count)
        kept = jax.tree.map(lambda x: x.at[load.row].get(mode="clip"), store)
        memory = select(load.first, fresh.memory, kept.memory)
        start = fresh.carry
        if self.stateful:
            start = select(load.first, fresh.carry, prepared.model.resume(kept.carry))
        last = select(load.first, fresh.carry, kept.carry)
        drive = prepared.drive(load.frames)
        recurrence = _recurrence(prepared, load.frames, drive, start, fresh.carry, last)
        begun = policy.begin(recurrence, load.first, memory)
        carry, active = recurrence.begin(begun)
        return Slots(
            frame=load.frames,
            carry=carry,
            drive=drive,
            memory=begun.memory,
            decision=policy.init_state(policy.observe(recurrence, carry)),
            steps=jnp.zeros(count, jnp.int32),
            first=jnp.broadcast_to(begun.first, (count,)),
            active=active,
            row=load.row,
            entry=entry + jnp.arange(count, dtype=jnp.int32),
        )

    def _refill(self, loop: _Loop, new: Slots, load: Load) -> _Loop:
        """Gives free slots the new frames that have none."""

        def put(slot: Array, loop: _Loop) -> _Loop:
            row = _rows(new, loop.taken, 1)
            return loop._replace(slots=_set_rows(loop.slots, slot, row), taken=loop.taken + 1)

        free = ~_holds(loop.slots)
        return _for_each(free, put, loop, at_most=load.count - loop.taken)

    def _step(self, prepared: Prepared, policy: StepwisePolicy, slots: Slots) -> Slots:
        recurrence = _recurrence(prepared, slots.frame, slots.drive, slots.carry, slots.carry)
        carry = recurrence.step(slots.carry)
        before, after = (policy.observe(recurrence, c) for c in (slots.carry, carry))
        steps = slots.steps + slots.active.astype(jnp.int32)
        goes_on, decision = policy.should_continue(
            steps, before, after, slots.decision, slots.first
        )
        return dataclasses.replace(
            slots,
            carry=select(slots.active, carry, slots.carry),
            decision=select(slots.active, decision, slots.decision),
            steps=steps,
            active=slots.active & goes_on,
        )

    def _cut(self, loop: _Loop, load: Load) -> _Loop:
        """Ends frames whose time is up."""
        slots, left = loop.slots, loop.left
        cut = slots.active & (slots.steps > 0) & load.cut[slots.entry]
        entry = jnp.where(cut, slots.entry, len(left.cut))  # past the end is written nowhere
        return loop._replace(
            slots=dataclasses.replace(slots, active=slots.active & ~cut),
            left=left._replace(cut=jnp.asarray(left.cut).at[entry].set(True, mode="drop")),
        )

    def _take_out(self, loop: _Loop) -> _Loop:
        """Takes frames that have ended out of their slots."""

        def take(slot: Array, loop: _Loop) -> _Loop:
            slots, left = loop.slots, loop.left
            mine = _rows(slots, slot, 1)
            row = _Left(
                jnp.ones(1, bool),
                _rows(left.cut, mine.entry[0], 1),
                mine.steps,
                mine.first,
                mine.row,
                Stored(mine.carry, mine.memory),
            )
            entry = _set_rows(slots.entry, slot, jnp.full(1, NO_ENTRY, jnp.int32))
            return loop._replace(
                slots=dataclasses.replace(slots, entry=entry),
                left=_set_rows(left, mine.entry[0], row),
            )

        return _for_each(_holds(loop.slots) & ~loop.slots.active, take, loop)

    def _nothing_left(self, slots: Slots) -> _Left:
        count = 2 * self.slots
        kept = jax.tree.map(
            lambda x: jnp.zeros((count, *x.shape[1:]), x.dtype), Stored(slots.carry, slots.memory)
        )
        none, zeros = jnp.zeros(count, bool), jnp.zeros(count, jnp.int32)
        return _Left(none, none, zeros, none, zeros, kept)

    def _read_out(
        self, prepared: Prepared, store: Stored, left: _Left
    ) -> tuple[Stored, Array, Any]:
        """Stores the states of what has ended, and makes its outputs."""
        together = _together(self.slots)
        order = jnp.argsort(~left.ended, stable=True)

        def group(i: Array, results: tuple[Array, Any]) -> tuple[Array, Any]:
            finite, outputs = results
            entries = _rows(order, i * together, together)
            carry = jax.tree.map(lambda x: x[entries], left.kept.carry)
            logits, hidden = prepared.readout(carry), prepared.hidden(carry)
            sound = _are_numbers(logits) & _are_numbers(hidden)
            new = (sound, self.transform(logits))
            return jax.tree.map(lambda x, new: x.at[entries].set(new), (finite, outputs), new)

        outputs = self.no_outputs(prepared, left.kept.carry)
        groups = (left.ended.sum() + together - 1) // together
        finite, outputs = lax.fori_loop(0, groups, group, (jnp.ones_like(left.ended), outputs))

        def keep(entry: Array, store: Stored) -> Stored:
            return _set_rows(store, left.row[entry], _rows(left.kept, entry, 1))

        return _for_each(left.ended, keep, store), finite, outputs


def _no_frames(prepared: Prepared, count: int) -> Array:
    channels = prepared.model.input_channels
    return jnp.zeros((count, *prepared.frame_shape, channels), jnp.float32)


def _together(slots: int) -> int:
    """How many frames begin at once: what divides the slots."""
    return math.gcd(slots, _TOGETHER)


def _recurrence(
    prepared: Prepared, frame: Array, drive: Drive, start: Carry, fresh: Carry, last: Carry = None
) -> Recurrence:
    """The recurrence of frames whose drive is known."""
    return Recurrence(
        frame=frame,
        start=start,
        fresh=fresh,
        step=lambda carry: prepared.step(carry, drive),
        hidden=prepared.hidden,
        readout=prepared.readout,
        last=last,
    )


def _holds(slots: Slots) -> Array:
    """Whether there is a frame in each slot, ended or not."""
    return slots.entry != NO_ENTRY


def _are_numbers(values: Array) -> Array:
    return jnp.isfinite(values).all(tuple(range(1, values.ndim)))


def _for_each(
    mask: Array, body: Callable[[Array, Any], Any], value: Any, at_most: Any = None
) -> Any:
    """Applies `value = body(slot, value)` to the slots of a mask, one after the other."""
    order = jnp.argsort(~mask, stable=True)
    count = mask.sum() if at_most is None else jnp.minimum(mask.sum(), at_most)
    return lax.fori_loop(0, count, lambda i, value: body(order[i], value), value)


def _rows(tree: Any, row: Array, count: int) -> Any:
    """Some rows of all arrays."""
    return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, row, count), tree)


def _set_rows(tree: Any, row: Array, values: Any) -> Any:
    """All arrays with some rows replaced."""
    return jax.tree.map(
        lambda x, new: lax.dynamic_update_slice_in_dim(x, new, row, 0), tree, values
    )
