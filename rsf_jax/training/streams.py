"""What training on streams carries from update to update: the states that streams have left.

Groups of streams take turns, one an update, so that updates see states of every age. A group's
streams begin together; in between, each update goes on from what the group's last one left.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.models.base import VideoModel
from rsf_jax.typing import Array, Carry


def nothing_left(
    model: VideoModel, groups: int, batch_size: int, frame_shape: tuple[int, int]
) -> Carry:
    """Returns the states before the first update: a carry with the axes G and B in front.

    Args:
        model: a recurrent model.
        groups: G, groups of streams that take turns.
        batch_size: B, streams of a group.
        frame_shape: (height, width) in pixels.
    """
    carry = model.initial_carry(batch_size, *frame_shape)
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (groups, *x.shape)), carry)


def take(left: Carry, update: Array, share: int, axis_name: str | None) -> Carry:
    """Returns the states that an update goes on from.

    Args:
        left: of all groups.
        update: int32, updates done.
        share: streams that this device computes.
        axis_name: the axis of `pmap`; None on one device.
    """

    def row(x: Array) -> Array:
        own = lax.dynamic_index_in_dim(x, _turn(x, update), keepdims=False)
        if axis_name is None:
            return own
        return lax.dynamic_slice_in_dim(own, lax.axis_index(axis_name) * share, share)

    return jax.tree.map(row, left)


def put(left: Carry, update: Array, carry: Carry, axis_name: str | None) -> Carry:
    """Returns the states of all groups with what an update has left; as for `take`.

    Every device gets the states of all: a checkpoint is made of what one of them has.
    """

    def replaced(x: Array, new: Any) -> Array:
        if axis_name is not None:
            new = lax.all_gather(new, axis_name, tiled=True)
        return lax.dynamic_update_index_in_dim(x, new, _turn(x, update), 0)

    return jax.tree.map(replaced, left, carry)


def _turn(x: Array, update: Array) -> Array:
    return update % x.shape[0]
