"""What a tick computes: slots are filled, make a few steps, and are read out as they halt."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.models import Prepared, VideoModel
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.select import select
from rsf_jax.typing import Array, Carry, Leaf

Transform = Callable[[Array], Any]


@flax.struct.dataclass
class Slots:
    """Frames in the middle of their recurrence, S of them.

    Attributes:
        carry: the states, S first.
        drive: float32 [S, C, H, W], what enters every step.
        memory: the policy's.
        steps: int32 [S], steps made.
        first: bool [S], whether the frame is its stream's first.
        active: bool [S], whether there is a frame that has not ended.
        row: int32 [S], where the stream's state is stored.
    """

    carry: Leaf
    drive: Leaf
    memory: Leaf
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


class Ended(NamedTuple):
    """What a tick leaves for the host.

    Attributes:
        ended: bool [S], slots whose frame has ended.
        steps: int32 [S], steps of each frame so far.
        cut: bool [S], ended before the policy would have ended them.
        useful: int32, steps that frames needed.
        finite: bool [S], whether state and logits are numbers.
        outputs: the transformed logits, S first; of slots that have ended alone.
    """

    ended: Any
    steps: Any
    cut: Any
    useful: Any
    finite: Any
    outputs: Any


class Program:
    """The compiled tick of a model, and the states it works on.

    `compilations` counts how often the tick was compiled.

    Args:
        model: a recurrent model.
        prepared: its variables, prepared for the frame size.
        policy: when frames end.
        slots: frames computed together, S.
        rows: streams that states are stored of.
        steps: recurrent steps of a tick.
        stateful: start a frame from the state its predecessor left.
        transform: what is made of logits [S, H, W, K] on the device.
    """

    def __init__(
        self,
        model: VideoModel,
        prepared: Prepared,
        policy: StepwisePolicy,
        *,
        slots: int,
        rows: int,
        steps: int,
        stateful: bool,
        transform: Transform,
    ) -> None:
        self.model, self.prepared, self.policy = model, prepared, policy
        self._steps, self._stateful, self._transform = steps, stateful, transform
        self.store = jax.jit(lambda: self._fresh(rows))()
        self.slots = jax.jit(lambda: self._empty(slots))()
        self.compilations = 0
        # States are overwritten in place.
        self._tick = jax.jit(self._advance, donate_argnums=(2, 3))

    def tick(self, load: Load) -> Ended:
        """Advances all slots; the result is on the device."""
        self.store, self.slots, ended = self._tick(
            self.prepared, self.policy, self.store, self.slots, load
        )
        return ended

    def _fresh(self, count: int) -> Carry:
        return self.model.initial_carry(count, *self.prepared.frame_shape)

    def _empty(self, count: int) -> Slots:
        carry = self._fresh(count)
        frames = jnp.zeros((count, *self.prepared.frame_shape, self.model.input_channels))
        drive = self._apply(self.prepared, "drive", frames)
        none = jnp.zeros(count, bool)
        zeros = jnp.zeros(count, jnp.int32)
        memory = self.policy.remember(self._apply(self.prepared, "hidden", carry))
        return Slots(carry, drive, memory, zeros, none, none, zeros)

    def _apply(self, prepared: Prepared, method: str, *args: Any) -> Any:
        return self.model.apply(prepared.variables, *args, method=method)

    def _advance(
        self, prepared: Prepared, policy: StepwisePolicy, store: Carry, slots: Slots, load: Load
    ) -> tuple[Carry, Slots, Ended]:
        self.compilations += 1  # when it is traced
        slots = _for_each(
            load.mask, lambda i, slots: self._begin(prepared, policy, store, slots, load, i), slots
        )
        loaded, before = slots.active, slots.steps
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
        return store, slots, Ended(ended, slots.steps, cut, useful, finite, outputs)

    def _begin(
        self,
        prepared: Prepared,
        policy: StepwisePolicy,
        store: Carry,
        slots: Slots,
        load: Load,
        slot: Array,
    ) -> Slots:
        """Puts a frame into its slot."""
        mine: Load = _row(load, slot)
        start = fresh = self._fresh(1)
        if self._stateful:
            kept = self.model.resume(_row(store, mine.row[0]))
            start = select(mine.first, fresh, kept)
        memory = policy.remember(self._apply(prepared, "hidden", start))
        drive = self._apply(prepared, "drive", mine.frames)
        steps = jnp.zeros(1, jnp.int32)
        return _set_row(
            slots, slot, Slots(start, drive, memory, steps, mine.first, mine.mask, mine.row)
        )

    def _step(self, prepared: Prepared, policy: StepwisePolicy, slots: Slots) -> Slots:
        carry = self._apply(prepared, "step", slots.carry, slots.drive)
        before, after = (self._apply(prepared, "hidden", c) for c in (slots.carry, carry))
        steps = slots.steps + slots.active.astype(jnp.int32)
        goes_on, memory = policy.goes_on(steps, before, after, slots.memory, slots.first)
        return dataclasses.replace(
            slots,
            carry=select(slots.active, carry, slots.carry),
            memory=select(slots.active, memory, slots.memory),
            steps=steps,
            active=slots.active & goes_on,
        )

    def _read_out(
        self,
        prepared: Prepared,
        slots: Slots,
        slot: Array,
        store: Carry,
        finite: Array,
        outputs: Any,
    ) -> tuple[Carry, Array, Any]:
        """Stores the state of a slot, and writes what its frame gave to the others' results."""
        carry: Carry = _row(slots.carry, slot)
        logits = self._apply(prepared, "readout", carry)
        hidden = self._apply(prepared, "hidden", carry)
        sound = jnp.isfinite(logits).all() & jnp.isfinite(hidden).all()
        return (
            _set_row(store, slots.row[slot], carry),
            _set_row(finite, slot, sound[None]),
            _set_row(outputs, slot, self._transform(logits)),
        )

    def _no_outputs(self, prepared: Prepared, slots: Slots) -> Any:
        """Zeros in place of the transformed logits of all slots."""
        shapes = jax.eval_shape(
            lambda: self._transform(self._apply(prepared, "readout", slots.carry))
        )
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def _for_each(mask: Array, body: Callable[[Array, Any], Any], value: Any) -> Any:
    """Applies `value = body(slot, value)` to the slots of a mask, one after the other.

    A tick has few of them: all slots at once, and what is not needed thrown away, took a quarter
    of the quickstart model's tick.
    """
    order = jnp.argsort(~mask, stable=True)
    return lax.fori_loop(0, mask.sum(), lambda i, value: body(order[i], value), value)


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
