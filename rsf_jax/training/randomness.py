"""Random numbers of an update: a function of seed, update and place in the batch."""

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.typing import Array


def keys_of_videos(seed: int, update: Array, share: int, axis_name: str | None) -> Array:
    """Returns a key for each video of an update, [B].

    A run that is resumed has those of one that was not, and a video the same whichever device
    computes it.

    Args:
        seed: of the run.
        update: int32, updates done.
        share: videos that this device computes, B.
        axis_name: the axis of `pmap`; None on one device.
    """
    place = jnp.arange(share)
    if axis_name is not None:
        place += lax.axis_index(axis_name) * share
    of_update = jax.random.fold_in(jax.random.key(seed), update)
    return jax.vmap(jax.random.fold_in, (None, 0))(of_update, place)


def keys_of_frames(keys: Array | None, frame_index: Array) -> Array | None:
    """Returns keys for a frame of each video, whose numbers are int32 [B]; None of none."""
    return None if keys is None else jax.vmap(jax.random.fold_in)(keys, frame_index)
