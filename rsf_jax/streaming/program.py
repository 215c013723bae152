"""The compiled tick, and the states it works on."""

import dataclasses
from typing import Any

import jax
import numpy as np

from rsf_jax.models.base import Prepared
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.streaming.packing import as_told, packed, told, unpacked
from rsf_jax.streaming.slots import Ended, Load, Look, Slots, Stored
from rsf_jax.streaming.tick import Tick, Transform
from rsf_jax.typing import Array

# Numbers of `packing.told`, and the transformed logits.
Told = tuple[Array, Any]


class Program:
    """The compiled tick of a model, and the states it works on.

    Args:
        prepared: a recurrent model with its variables.
        policy: when frames end.
        slots: frames computed together, S.
        rows: streams that states are stored of.
        steps: recurrent steps of a tick.
        stateful: start a frame from the state its predecessor left.
        transform: what is made of logits [B, H, W, K] on the device.
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
        self._traced = tick = Tick(slots, steps, stateful, transform)
        self.advance = tick.advance
        self._new_store = jax.jit(lambda prepared, policy: tick.fresh(prepared, policy, rows))
        self._new_slots = jax.jit(tick.empty)
        # One attribute, which changes at once.
        self._device = self._new_device(prepared, policy)
        # States are overwritten in place.
        self._tick = jax.jit(self._advance, donate_argnums=(2, 3))
        self._ask = jax.jit(tick.look, donate_argnums=(3,))

    def tick(self, load: Load) -> Told:
        """Advances all slots; the result is on the device, see `to_host`."""
        given = (self.prepared, self.policy, *self._device, load.frames, packed(load))
        *device, numbers, outputs = self._tick(*given)
        self._device = tuple(device)
        return numbers, outputs

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
        return self._traced.fresh(self.prepared, self.policy, 1)

    def shapes(self, policy: StepwisePolicy) -> Stored:
        """Returns shapes and types of one stream's state under a policy, without a first axis."""
        fresh = jax.eval_shape(lambda: self._traced.fresh(self.prepared, policy, 1))
        return _without_first(fresh)

    def outputs(self) -> Any:
        """Returns shapes and types of what is made of the logits of one frame."""
        found = jax.eval_shape(lambda: self._traced.no_outputs(self.prepared, 1))
        return _without_first(found)

    def states(self, policy: StepwisePolicy) -> Stored:
        """Returns states of all rows before their first frames, under a policy."""
        return self._new_store(self.prepared, policy)

    def compile(
        self, prepared: Prepared, policy: StepwisePolicy, load: Load, look: Look | None
    ) -> None:
        """Compiles for other variables and another policy, on states that are thrown away."""
        given = (*self._new_device(prepared, policy), load.frames, packed(load))
        *device, _, _ = self._tick(prepared, policy, *given)
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

    def _advance(
        self,
        prepared: Prepared,
        policy: StepwisePolicy,
        store: Stored,
        slots: Slots,
        frames: Array,
        numbers: Array,
    ) -> tuple[Stored, Slots, Array, Any]:
        """A tick whose numbers come, and go, in one array each."""
        load = unpacked(frames, numbers)
        store, slots, ended = self.advance(prepared, policy, store, slots, load)
        return store, slots, told(ended), ended.outputs

    def _new_device(self, prepared: Prepared, policy: StepwisePolicy) -> tuple[Stored, Slots]:
        return self._new_store(prepared, policy), self._new_slots(prepared, policy)


def _without_first(shapes: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), shapes)


def to_host(told: Told) -> Ended:
    """Waits for a tick; outputs are fetched only if there are any."""
    numbers, outputs = told
    ended = as_told(jax.device_get(numbers))
    return ended._replace(outputs=jax.device_get(outputs)) if ended.ended.any() else ended
