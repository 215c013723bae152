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
        slots = lax.cond(
            load.mask.any(), lambda: self._fill(prepared, policy, store, slots, load), lambda: slots
        )
        loaded = slots.active
        before = slots.steps
        slots = lax.fori_loop(
            0, self._steps, lambda _, slots: self._step(prepared, policy, slots), slots
        )
        cut = slots.active & load.cut
        slots = dataclasses.replace(slots, active=slots.active & ~load.cut)
        ended = loaded & ~slots.active
        logits = jax.eval_shape(lambda: self._apply(prepared, "readout", slots.carry))
        finite, outputs = lax.cond(
            ended.any(),
            lambda: self._read(prepared, slots.carry),
            lambda: (
                jnp.ones(ended.shape, bool),
                jax.tree.map(
                    lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(self._transform, logits)
                ),
            ),
        )
        # Rows that do not exist are written nowhere.
        nowhere = jax.tree.leaves(store)[0].shape[0]
        row = jnp.where(ended, slots.row, nowhere)
        store = jax.tree.map(lambda s, c: s.at[row].set(c, mode="drop"), store, slots.carry)
        useful = (slots.steps - before).sum()
        return store, slots, Ended(ended, slots.steps, cut, useful, finite, outputs)

    def _fill(
        self, prepared: Prepared, policy: StepwisePolicy, store: Carry, slots: Slots, load: Load
    ) -> Slots:
        start = fresh = self._fresh(load.mask.shape[0])
        if self._stateful:
            kept = self.model.resume(jax.tree.map(lambda s: s[load.row], store))
            start = select(load.first, fresh, kept)
        memory = policy.remember(self._apply(prepared, "hidden", start))
        new = Slots(
            start,
            self._apply(prepared, "drive", load.frames),
            memory,
            jnp.zeros_like(slots.steps),
            load.first,
            load.mask,
            load.row,
        )
        return select(load.mask, new, slots)

    def _step(self, prepared: Prepared, policy: StepwisePolicy, slots: Slots) -> Slots:
        carry = self._apply(prepared, "step", slots.carry, slots.drive)
        before, after = (self._apply(prepared, "hidden", c) for c in (slots.carry, carry))
        steps = slots.steps + slots.active
        goes_on, memory = policy.goes_on(steps, before, after, slots.memory, slots.first)
        return dataclasses.replace(
            slots,
            carry=select(slots.active, carry, slots.carry),
            memory=select(slots.active, memory, slots.memory),
            steps=steps,
            active=slots.active & goes_on,
        )

    def _read(self, prepared: Prepared, carry: Carry) -> tuple[Array, Any]:
        logits = self._apply(prepared, "readout", carry)
        hidden = self._apply(prepared, "hidden", carry)
        return _finite(logits) & _finite(hidden), self._transform(logits)


def _finite(x: Array) -> Array:
    return jnp.isfinite(x).all(tuple(range(1, x.ndim)))


def to_host(ended: Ended) -> Ended:
    """Waits for a tick; outputs are fetched only if there are any."""
    outputs = ended.outputs
    ended = jax.device_get(ended._replace(outputs=None))
    return ended._replace(outputs=jax.device_get(outputs)) if ended.ended.any() else ended
