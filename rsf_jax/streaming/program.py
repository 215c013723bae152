"""What a tick computes: slots are filled, make a few steps, and are read out as they halt."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.models.base import Prepared
from rsf_jax.ops.select import select
from rsf_jax.policies.base import Recurrence, StepwisePolicy
from rsf_jax.typing import Array, Carry, Drive, Leaf

Transform = Callable[[Array], Any]


@flax.struct.dataclass
class Slots:
    """Frames in the middle of their recurrence, S of them.

    Attributes:
        frame: float32 [S, H, W, I], the pixels.
        carry: the states, S first.
        drive: what enters every step, S first.
        memory: what the policy carries to the streams' next frames.
        decision: what the policy's last decision has left.
        steps: int32 [S], steps made.
        first: bool [S], whether the frame is treated as its stream's first.
        active: bool [S], whether there is a frame that has not ended.
        row: int32 [S], where the stream's state is stored.
    """

    frame: Leaf
    carry: Leaf
    drive: Leaf
    memory: Leaf
    decision: Leaf
    steps: Leaf
    first: Leaf
    active: Leaf
    row: Leaf


class Load(NamedTuple):
    """What a tick begins with, NumPy arrays or those of a device.

    Attributes:
        mask: bool [S], slots that get a frame.
        frames: float32 [S, H, W, I].
        row: int32 [S], rows of their streams.
        first: bool [S], whether a frame is its stream's first.
        cut: bool [S], frames that end with this tick, halted or not.
    """

    mask: Any
    frames: Any
    row: Any
    first: Any
    cut: Any


class Look(NamedTuple):
    """Frames that wait, to be asked about, NumPy arrays or those of a device.

    Attributes:
        frames: float32 [S, H, W, I].
        row: int32 [S], rows of their streams; past the end where there is no frame.
    """

    frames: Any
    row: Any


class Ended(NamedTuple):
    """What a tick leaves for the host.

    Attributes:
        ended: bool [S], slots whose frame has ended.
        steps: int32 [S], steps of each frame so far.
        cut: bool [S], ended before the policy would have ended them.
        first: bool [S], whether a frame began from a fresh state as its policy's first.
        useful: int32, steps that frames needed.
        finite: bool [S], whether state and logits are numbers.
        outputs: the transformed logits, S first; of slots that have ended alone.
    """

    ended: Any
    steps: Any
    cut: Any
    first: Any
    useful: Any
    finite: Any
    outputs: Any


class Stored(NamedTuple):
    """What is kept of every stream between its frames, one row each.

    Attributes:
        carry: the states.
        memory: what the policy carries.
    """

    carry: Any
    memory: Any


class Program:
    """The compiled tick of a model, and the states it works on.

    Args:
        prepared: a recurrent model with its variables.
        policy: when frames end.
        slots: frames computed together, S.
        rows: streams that states are stored of.
        steps: recurrent steps of a tick.
        stateful: start a frame from the state its predecessor left.
        transform: what is made of logits [S, H, W, K] on the device.
    """

    def __init__(
        self,
        prepared: Prepared,
        policy: StepwisePolicy,
        *,
        slots: int,
        rows: int,
        steps: int,
        stateful: bool,
        transform: Transform,
    ) -> None:
        self.prepared, self.policy = prepared, policy
        self._steps, self._stateful, self._transform = steps, stateful, transform
        self._new_store = jax.jit(lambda policy: self._fresh(policy, rows))
        self._new_slots = jax.jit(lambda prepared, policy: self._empty(prepared, policy, slots))
        # One attribute, which changes at once.
        self._device = self._new_device(prepared, policy)
        # States are overwritten in place.
        self._tick = jax.jit(self.advance, donate_argnums=(2, 3))
        self._ask = jax.jit(self._look, donate_argnums=(3,))

    def tick(self, load: Load) -> Ended:
        """Advances all slots; the result is on the device."""
        *device, ended = self._tick(self.prepared, self.policy, *self._device, load)
        self._device = tuple(device)
        return ended

    def leaves_out(self, look: Look) -> np.ndarray:
        """Returns, bool [S], which frames the policy gives no step, and what it carries on."""
        memory, left_out = self._ask(
            self.prepared, self.policy, self.store.carry, self.store.memory, look
        )
        self._device = (Stored(self.store.carry, memory), self.slots)
        return jax.device_get(left_out)

    @property
    def store(self) -> Stored:
        """The states of all streams."""
        return self._device[0]

    @property
    def slots(self) -> Slots:
        """The frames in the middle of their recurrence."""
        return self._device[1]

    def is_whole(self) -> bool:
        """Whether states and slots are still there: a program that fails may take them with it."""
        try:
            jax.block_until_ready(self._device)
        except Exception:  # of any device
            return False
        return not any(leaf.is_deleted() for leaf in jax.tree.leaves(self._device))

    def renew(self) -> None:
        """Makes states and slots anew."""
        self._device = self._new_device(self.prepared, self.policy)

    def empty_slots(self) -> None:
        """Takes all frames out of their slots; states of streams stay as they are."""
        self._device = (self.store, self._new_slots(self.prepared, self.policy))

    def vacate(self, slots: np.ndarray) -> None:
        """Takes the frames out of some slots, bool [S]; states of streams stay as they are."""
        active = self.slots.active & ~slots
        self._device = (self.store, dataclasses.replace(self.slots, active=active))

    def read(self, rows: np.ndarray) -> Stored:
        """Returns the states of some rows, int32 [R], on the host."""
        return jax.device_get(jax.tree.map(lambda x: x[rows], self.store))

    def write(self, rows: np.ndarray, states: Stored) -> None:
        """Replaces the states of some rows, int32 [R]."""
        store = jax.tree.map(lambda x, new: x.at[rows].set(new), self.store, states)
        self._device = (store, self.slots)

    def fresh(self) -> Stored:
        """Returns the state of a stream before its first frame, one row."""
        return self._fresh(self.policy, 1)

    def shapes(self, policy: StepwisePolicy) -> Stored:
        """Returns shapes and types of one stream's state under a policy, without a first axis."""
        return _without_first(jax.eval_shape(lambda: self._fresh(policy, 1)))

    def outputs(self) -> Any:
        """Returns shapes and types of what is made of the logits of one frame."""
        slots = jax.eval_shape(self._new_slots, self.prepared, self.policy)
        return _without_first(jax.eval_shape(self._no_outputs, self.prepared, slots))

    def states(self, policy: StepwisePolicy) -> Stored:
        """Returns states of all rows before their first frames, under a policy."""
        return self._new_store(policy)

    def compile(
        self, prepared: Prepared, policy: StepwisePolicy, load: Load, look: Look | None
    ) -> None:
        """Compiles for other variables and another policy, on states that are thrown away."""
        *device, _ = self._tick(prepared, policy, *self._new_device(prepared, policy), load)
        if look is not None:
            store = device[0]
            device = self._ask(prepared, policy, store.carry, store.memory, look)
        jax.block_until_ready(device)

    def change(self, prepared: Prepared, policy: StepwisePolicy, keeps_memory: bool) -> None:
        """Goes on with other variables and another policy; all slots are emptied.

        Args:
            prepared: the same model with other variables.
            policy: when frames end.
            keeps_memory: whether it goes on with what the policy before has carried, which has
                the same arrays; states of the model stay in any case.
        """
        store, slots = self._new_device(prepared, policy)
        memory = self.store.memory if keeps_memory else store.memory
        self._device = (Stored(self.store.carry, memory), slots)
        self.prepared, self.policy = prepared, policy

    def _new_device(self, prepared: Prepared, policy: StepwisePolicy) -> tuple[Stored, Slots]:
        return self._new_store(policy), self._new_slots(prepared, policy)

    def _frames(self, count: int) -> Array:
        channels = self.prepared.model.input_channels
        return jnp.zeros((count, *self.prepared.frame_shape, channels), jnp.float32)

    def _fresh(self, policy: StepwisePolicy, count: int) -> Stored:
        memory = policy.init_memory(self._frames(count))
        return Stored(self.prepared.initial_carry(count), memory)

    def _empty(self, prepared: Prepared, policy: StepwisePolicy, count: int) -> Slots:
        frame, (carry, memory) = self._frames(count), self._fresh(policy, count)
        drive = prepared.drive(frame)
        recurrence = _recurrence(prepared, frame, drive, carry, carry)
        decision = policy.init_state(policy.observe(recurrence, carry))
        none, zeros = jnp.zeros(count, bool), jnp.zeros(count, jnp.int32)
        return Slots(frame, carry, drive, memory, decision, zeros, none, none, zeros)

    def advance(
        self, prepared: Prepared, policy: StepwisePolicy, store: Stored, slots: Slots, load: Load
    ) -> tuple[Stored, Slots, Ended]:
        """Traceable body of `tick`: the states and slots after it, and what is for the host."""
        slots = _for_each(
            load.mask, lambda i, slots: self._begin(prepared, policy, store, slots, load, i), slots
        )
        # A frame that gets no step has ended with its beginning.
        loaded, before = slots.active | load.mask, slots.steps
        slots = lax.fori_loop(
            0, self._steps, lambda _, slots: self._step(prepared, policy, slots), slots
        )
        cut = slots.active & load.cut
        slots = dataclasses.replace(slots, active=slots.active & ~load.cut)
        ended = loaded & ~slots.active
        store, finite, outputs = _for_each(
            ended,
            lambda i, results: self._read_out(prepared, slots, i, *results),
            (store, jnp.ones_like(ended), self._no_outputs(prepared, slots)),
        )
        useful = (slots.steps - before).sum()
        return store, slots, Ended(ended, slots.steps, cut, slots.first, useful, finite, outputs)

    def _begin(
        self,
        prepared: Prepared,
        policy: StepwisePolicy,
        store: Stored,
        slots: Slots,
        load: Load,
        slot: Array,
    ) -> Slots:
        """Puts a frame into its slot."""
        mine: Load = _row(load, slot)
        fresh, kept = self._fresh(policy, 1), _row(store, mine.row[0])
        memory = select(mine.first, fresh.memory, kept.memory)
        start = fresh.carry
        if self._stateful:
            start = select(mine.first, fresh.carry, prepared.model.resume(kept.carry))
        last = select(mine.first, fresh.carry, kept.carry)
        drive = prepared.drive(mine.frames)
        recurrence = _recurrence(prepared, mine.frames, drive, start, fresh.carry, last)
        begun = policy.begin(recurrence, mine.first, memory)
        carry, active = recurrence.begin(begun)
        decision = policy.init_state(policy.observe(recurrence, carry))
        row = Slots(
            frame=mine.frames,
            carry=carry,
            drive=drive,
            memory=begun.memory,
            decision=decision,
            steps=jnp.zeros(1, jnp.int32),
            first=jnp.broadcast_to(begun.first, (1,)),
            active=mine.mask & active,
            row=mine.row,
        )
        return _set_row(slots, slot, row)

    def _look(
        self, prepared: Prepared, policy: StepwisePolicy, carry: Carry, memory: Any, look: Look
    ) -> tuple[Any, Array]:
        """Asks a policy about frames that are no stream's first, before they get slots."""
        last, mine = jax.tree.map(lambda x: x.at[look.row].get(mode="clip"), (carry, memory))
        fresh = prepared.initial_carry(len(look.row))
        start = prepared.model.resume(last) if self._stateful else fresh
        # The drive is not computed unless the policy takes a step to decide.
        drive = prepared.drive(look.frames)
        recurrence = _recurrence(prepared, look.frames, drive, start, fresh, last)
        begun = policy.begin(recurrence, jnp.zeros(len(look.row), bool), mine)
        _, active = recurrence.begin(begun)
        # What gets a step is begun in its slot, from what is carried now.
        kept = select(active, mine, begun.memory)
        memory = jax.tree.map(lambda x, new: x.at[look.row].set(new, mode="drop"), memory, kept)
        return memory, ~active

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

    def _read_out(
        self,
        prepared: Prepared,
        slots: Slots,
        slot: Array,
        store: Stored,
        finite: Array,
        outputs: Any,
    ) -> tuple[Stored, Array, Any]:
        """Stores the state of a slot, and writes what its frame gave to the others' results."""
        kept: Stored = _row(Stored(slots.carry, slots.memory), slot)
        logits, hidden = prepared.readout(kept.carry), prepared.hidden(kept.carry)
        sound = jnp.isfinite(logits).all() & jnp.isfinite(hidden).all()
        return (
            _set_row(store, slots.row[slot], kept),
            _set_row(finite, slot, sound[None]),
            _set_row(outputs, slot, self._transform(logits)),
        )

    def _no_outputs(self, prepared: Prepared, slots: Slots) -> Any:
        """Zeros instead of the transformed logits of all slots."""
        shapes = jax.eval_shape(lambda: self._transform(prepared.readout(slots.carry)))
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


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


def _for_each(mask: Array, body: Callable[[Array, Any], Any], value: Any) -> Any:
    """Applies `value = body(slot, value)` to the slots of a mask, one after the other.

    A tick has few of them: all slots at once, and what is not needed thrown away, took a quarter
    of the quickstart model's tick.
    """
    # See docs/decisions/0020-streaming.md.
    order = jnp.argsort(~mask, stable=True)
    return lax.fori_loop(0, mask.sum(), lambda i, value: body(order[i], value), value)


def _without_first(shapes: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), shapes)


def _row(tree: Any, row: Array) -> Any:
    """One row of all arrays, the axis kept."""
    return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, row, 1), tree)


def _set_row(tree: Any, row: Array, values: Any) -> Any:
    """All arrays with one row replaced."""
    return jax.tree.map(
        lambda x, new: lax.dynamic_update_slice_in_dim(x, new, row, 0), tree, values
    )


def to_host(ended: Ended) -> Ended:
    """Waits for a tick; outputs are fetched only if there are any."""
    outputs = ended.outputs
    ended = jax.device_get(ended._replace(outputs=None))
    return ended._replace(outputs=jax.device_get(outputs)) if ended.ended.any() else ended
