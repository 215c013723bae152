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
from rsf_jax.policies.base import Recurrence, StepwisePolicy, bound
from rsf_jax.policies.steering import ahead_of, next_start, steered
from rsf_jax.streaming.slots import NO_ENTRY, Ended, Load, Look, Slots, Stored
from rsf_jax.typing import Array, Carry, Drive

Transform = Callable[[Array], Any]

# Frames that begin, and are read out, together. One by one took a third of a tick at 36x36 pixels;
# all at once does it for slots that do not need it. See docs/decisions/0020-streaming.md.
_TOGETHER = 4
# Recurrent steps of a tick, at most, while frames wait for slots: the host looks again after them.
LONGEST = 32


class _Left(NamedTuple):
    """What is noted of entries that have ended, E of them; see `Ended`."""

    ended: Array
    cut: Array
    steps: Array
    first: Array
    row: Array


class _Loop(NamedTuple):
    """What changes in the course of a tick: slots, states of streams, what has ended, counts."""

    slots: Slots
    store: Stored
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
        decision = bound(policy, recurrence).init_state(policy.observe(recurrence, carry))
        none, zeros = jnp.zeros(self.slots, bool), jnp.zeros(self.slots, jnp.int32)
        entry = jnp.full(self.slots, NO_ENTRY, jnp.int32)
        ahead = ahead_of(policy, carry)
        return Slots(frame, carry, ahead, drive, memory, decision, zeros, none, none, zeros, entry)

    def no_outputs(self, prepared: Prepared, count: int) -> Any:
        """Returns zeros in place of the transformed logits of states."""

        def outputs() -> Any:
            return self.transform(prepared.readout(prepared.initial_carry(count)))

        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(outputs))

    def advance(
        self, prepared: Prepared, policy: StepwisePolicy, store: Stored, slots: Slots, load: Load
    ) -> tuple[Stored, Slots, Ended]:
        """Returns states and slots after a tick, and what is for the host."""
        new = self._begin(prepared, policy, store, slots, load)
        entry = jnp.where(slots.active, jnp.arange(self.slots, dtype=jnp.int32), NO_ENTRY)
        slots, zero = dataclasses.replace(slots, entry=entry), jnp.int32(0)
        loop = _Loop(slots, store, self._nothing_left(), zero, zero, zero)

        def goes_on(loop: _Loop) -> Array:
            more = (loop.taken < load.count) & (loop.executed < LONGEST)
            return _holds(loop.slots).any() & ((loop.executed < self.steps) | more)

        def body(loop: _Loop) -> _Loop:
            useful = loop.useful + loop.slots.active.sum(dtype=jnp.int32)
            slots = self._step(prepared, policy, loop.slots)
            loop = loop._replace(slots=slots, executed=loop.executed + 1, useful=useful)
            return self._hand_over(loop, new, load.count)

        loop = lax.while_loop(goes_on, body, self._fill(loop, new, load.count))
        loop = self._hand_over(self._cut(loop, load))
        left = loop.left
        finite, outputs = self._read_out(prepared, loop.store, left)
        return (
            loop.store,
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
        together = _together(self.slots)

        def group(i: Array, value: tuple[Any, Array]) -> tuple[Any, Array]:
            memory, left_out = value
            place = i * together
            frames, row = _rows((look.frames, look.row), place, together)
            mine = look._replace(frames=frames, row=row)
            memory, out = self._looked(prepared, policy, carry, memory, mine)
            return memory, _set_rows(left_out, place, out)

        groups = (look.count + together - 1) // together
        return lax.fori_loop(0, groups, group, (memory, jnp.zeros(self.slots, bool)))

    def _looked(
        self, prepared: Prepared, policy: StepwisePolicy, carry: Carry, memory: Any, look: Look
    ) -> tuple[Any, Array]:
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
            ahead=ahead_of(policy, carry),
            drive=drive,
            memory=begun.memory,
            decision=policy.init_state(policy.observe(recurrence, carry)),
            steps=jnp.zeros(count, jnp.int32),
            first=jnp.broadcast_to(begun.first, (count,)),
            active=active,
            row=load.row,
            entry=entry + jnp.arange(count, dtype=jnp.int32),
        )

    def _fill(self, loop: _Loop, new: Slots, count: Array) -> _Loop:
        """Gives free slots the first of the new frames."""
        free = ~_holds(loop.slots)
        order = _order(free)
        taken = jnp.minimum(free.sum(dtype=jnp.int32), count)

        def put(i: Array, slots: Slots) -> Slots:
            return _with_arrays(slots, order[i], new, i)

        slots = lax.fori_loop(0, taken, put, loop.slots)
        return loop._replace(slots=_with_numbers(slots, free, new, loop.taken, count), taken=taken)

    def _hand_over(self, loop: _Loop, new: Slots | None = None, count: Any = 0) -> _Loop:
        """Takes frames that have ended out of their slots, and gives these to new ones, if any.

        States go to their streams' rows. Arrays are copied of the slots concerned alone; numbers,
        one a slot, change in all of them at once.
        """
        slots, ended = loop.slots, _holds(loop.slots) & ~loop.slots.active
        order = _order(ended)

        def move(i: Array, value: tuple[Slots, Stored]) -> tuple[Slots, Stored]:
            slots, store = value
            kept = _rows(Stored(slots.carry, slots.memory), order[i], 1)
            store = _set_rows(store, slots.row[order[i]], kept)
            if new is not None:
                # Behind the last of them a slot gets any row: it holds no frame.
                slots = _with_arrays(slots, order[i], new, loop.taken + i)
            return slots, store

        moved = ended.sum(dtype=jnp.int32)
        slots, store = lax.fori_loop(0, moved, move, (slots, loop.store))
        loop = loop._replace(store=store, left=_noted(loop.left, loop.slots, ended))
        entry = jnp.where(ended, NO_ENTRY, slots.entry)
        slots = dataclasses.replace(slots, entry=entry)
        if new is None:
            return loop._replace(slots=slots)
        slots = _with_numbers(slots, ended, new, loop.taken, count)
        return loop._replace(slots=slots, taken=jnp.minimum(loop.taken + moved, count))

    def _step(self, prepared: Prepared, policy: StepwisePolicy, slots: Slots) -> Slots:
        recurrence = _recurrence(prepared, slots.frame, slots.drive, slots.carry, slots.carry)
        policy = bound(policy, recurrence)
        start = next_start(slots.carry, slots.ahead)
        carry = recurrence.step(start)
        before, after = (policy.observe(recurrence, c) for c in (start, carry))
        steps = slots.steps + slots.active.astype(jnp.int32)
        goes_on, decision = policy.should_continue(
            steps, before, after, slots.decision, slots.first
        )
        active = slots.active & goes_on
        carry, ahead = steered(policy, steps, slots.carry, carry, slots.ahead, slots.active, active)
        return dataclasses.replace(
            slots,
            carry=select(slots.active, carry, slots.carry),
            ahead=ahead,
            decision=select(slots.active, decision, slots.decision),
            steps=steps,
            active=active,
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

    def _nothing_left(self) -> _Left:
        count = 2 * self.slots
        none, zeros = jnp.zeros(count, bool), jnp.zeros(count, jnp.int32)
        return _Left(none, none, zeros, none, zeros)

    def _read_out(self, prepared: Prepared, store: Stored, left: _Left) -> tuple[Array, Any]:
        """Makes the outputs of what has ended, of the states that it has left."""
        together = _together(self.slots)
        order = jnp.argsort(~left.ended, stable=True)

        def group(i: Array, results: tuple[Array, Any]) -> tuple[Array, Any]:
            finite, outputs = results
            entries = _rows(order, i * together, together)
            rows = left.row[entries]
            carry = jax.tree.map(lambda x: x[rows], store.carry)
            logits, hidden = prepared.readout(carry), prepared.hidden(carry)
            sound = _are_numbers(logits) & _are_numbers(hidden)
            new = (sound, self.transform(logits))
            return jax.tree.map(lambda x, new: x.at[entries].set(new), (finite, outputs), new)

        outputs = self.no_outputs(prepared, 2 * self.slots)
        groups = (left.ended.sum() + together - 1) // together
        return lax.fori_loop(0, groups, group, (jnp.ones_like(left.ended), outputs))


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
        halting=prepared.halting,
    )


def _holds(slots: Slots) -> Array:
    """Whether there is a frame in each slot, ended or not."""
    return slots.entry != NO_ENTRY


def _are_numbers(values: Array) -> Array:
    return jnp.isfinite(values).all(tuple(range(1, values.ndim)))


def _noted(left: _Left, slots: Slots, ended: Array) -> _Left:
    """What is known of entries once some slots [S] have ended: a table of both tells which."""
    entries = jnp.arange(len(left.ended), dtype=jnp.int32)
    here = ended[:, None] & (slots.entry[:, None] == entries[None])
    now = here.any(0)

    def note(noted: Array, of_slots: Array) -> Array:
        found = jnp.where(here, of_slots[:, None], 0).sum(0, dtype=noted.dtype)
        return jnp.where(now, found, noted)

    return left._replace(
        ended=left.ended | now,
        steps=note(left.steps, slots.steps),
        first=note(left.first, slots.first),
        row=note(left.row, slots.row),
    )


def _with_arrays(slots: Slots, slot: Array, new: Slots, place: Array) -> Slots:
    """Slots with the arrays of a new frame in one of them."""

    def put(x: Array, new: Array) -> Array:
        return _set_rows(x, slot, _rows(new, place, 1)) if x.ndim > 1 else x

    return jax.tree.map(put, slots, new)


def _with_numbers(slots: Slots, free: Array, new: Slots, taken: Array, count: Array) -> Slots:
    """Slots with the numbers of new frames, in order from `taken`, in those that are free [S]."""
    place = taken + _rank(free)
    filled = free & (place < count)

    def put(x: Array, new: Array) -> Array:
        return x if x.ndim > 1 else jnp.where(filled, jnp.take(new, place, mode="clip"), x)

    return jax.tree.map(put, slots, new)


def _rank(mask: Array) -> Array:
    """How many places before each place of a mask [S] are true."""
    return jnp.cumsum(mask, dtype=jnp.int32) - mask


def _order(mask: Array) -> Array:
    """The places of a mask [S] that are true, in order, and zeros behind them."""
    places = jnp.arange(len(mask), dtype=jnp.int32)
    here = mask[:, None] & (_rank(mask)[:, None] == places[None])
    return jnp.where(here, places[:, None], 0).sum(0, dtype=jnp.int32)


def _rows(tree: Any, row: Array, count: int) -> Any:
    """Some rows of all arrays."""
    return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, row, count), tree)


def _set_rows(tree: Any, row: Array, values: Any) -> Any:
    """All arrays with some rows replaced."""
    return jax.tree.map(
        lambda x, new: lax.dynamic_update_slice_in_dim(x, new, row, 0), tree, values
    )
