"""The compiled tick, and the states it works on."""

from typing import Any

import jax
import numpy as np

from rsf_jax.models.base import Prepared
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.streaming.slots import Ended, Load, Look, Slots, Stored
from rsf_jax.streaming.tick import Tick, Transform


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
        tick = Tick(slots, steps, stateful, transform)
        self.advance = tick.advance
        self._new_store = jax.jit(lambda: tick.fresh(prepared, policy, rows))
        self._new_slots = jax.jit(lambda: tick.empty(prepared, policy))
        # One attribute, which changes at once.
        self._device = (self._new_store(), self._new_slots())
        # States are overwritten in place.
        self._tick = jax.jit(tick.advance, donate_argnums=(2, 3))
        self._ask = jax.jit(tick.look, donate_argnums=(3,))

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
        self._device = (self._new_store(), self._new_slots())

    def empty_slots(self) -> None:
        """Takes all frames out of their slots; states of streams stay as they are."""
        self._device = (self.store, self._new_slots())


def to_host(ended: Ended) -> Ended:
    """Waits for a tick; outputs are fetched only if there are any."""
    outputs: Any = ended.outputs
    ended = jax.device_get(ended._replace(outputs=None))
    return ended._replace(outputs=jax.device_get(outputs)) if ended.ended.any() else ended
